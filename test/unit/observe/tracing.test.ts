import { diag } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { createLogger } from '../../../shared/observe/log.ts';
import { recordedTracing } from '../../support/recorded-spans.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const caller = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${caller}-01`;
const done = (): Promise<Result<number>> => Promise.resolve(ok(1));

it('a request goes on with the trace that it names, and what it calls is a part of it', async () => {
  const { tracing, spans } = recordedTracing();
  let carried: string | undefined;
  const result = await tracing.operation('publish', { traceparent, topic: 'a.b', data: 'x' }, async () => {
    carried = tracing.current();
    await tracing.call('append', { 'db.system.name': 'memory' }, done);
    return ok(17);
  });
  expect(result).toEqual(ok(17));
  const [append, publish] = spans;
  expect(publish).toMatchObject({ name: 'publish', traceId, parent: caller, failed: false });
  expect(publish?.attributes).toMatchObject({ 'messaging.destination.name': 'a.b' });
  expect(append).toMatchObject({ name: 'append', traceId, parent: publish?.spanId });
  expect(carried).toBe(`00-${traceId}-${publish?.spanId}-01`);
  expect(spans).toHaveLength(2);
});

it.each([undefined, null, 17, '', 'nonsense', `${traceparent}x`])(
  'one that names %j has a trace of its own',
  async (named) => {
    const { tracing, spans } = recordedTracing();
    await tracing.operation('run', { traceparent }, () => tracing.operation('status', { traceparent: named }, done));
    const [status] = spans;
    expect(status).toMatchObject({ name: 'status', parent: undefined });
    expect(status?.traceId).not.toBe(traceId);
  },
);

it('one whose trace the caller does not record is not recorded, and carries nothing along', async () => {
  const { tracing, spans } = recordedTracing();
  let carried: string | undefined = 'something';
  await tracing.operation('publish', { traceparent: `00-${traceId}-${caller}-00` }, async () => {
    carried = tracing.current();
    return tracing.call('append', {}, done);
  });
  expect(carried).toBeUndefined();
  expect(spans).toEqual([]);
});

it.each([
  ['bad_request', false],
  ['forbidden', false],
  ['unavailable', true],
  ['internal', true],
  ['conflict', false],
] as const)('one that ends with %s, and the call that gave it: failed %s', async (code, failed) => {
  const { tracing, spans } = recordedTracing();
  const ends = (): Promise<Result<number>> => Promise.resolve(fail(code));
  expect(await tracing.operation('run', {}, () => tracing.call('commit', {}, ends))).toMatchObject({ code });
  const span = { failed, attributes: { 'error.type': code } };
  expect(spans).toMatchObject([span, span]);
});

it('what is called for nobody is no trace, nor what goes on behind a request that has ended', async () => {
  const { tracing, spans } = recordedTracing();
  await tracing.call('commit', {}, done);
  let later: () => void = () => {};
  let behind: Promise<unknown> = Promise.resolve();
  await tracing.operation('run', {}, () => {
    behind = new Promise<void>((resolve) => (later = resolve)).then(() => tracing.send('runs', 'i', done));
    return done();
  });
  later();
  await behind;
  expect(spans.map(({ name }) => name)).toEqual(['run']);
});

it('a call goes on where another process left off', async () => {
  const { tracing, spans } = recordedTracing();
  await tracing.within(traceparent, () => tracing.call('commit', {}, done));
  await tracing.within(undefined, () => tracing.call('commit', {}, done));
  expect(spans).toMatchObject([{ name: 'commit', traceId, parent: caller }]);
});

it('an attempt says what became of it, and ends when it throws as well', async () => {
  const { tracing, spans } = recordedTracing();
  const run = { invocation: 'i', agent: 'echo', attempt: 2, worker: 'w', trace: traceparent, since: Date.now() - 50 };
  await tracing.attempt(run, async () => tracing.left('failed', 'bad_output'));
  await expect(tracing.attempt(run, () => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
  expect(spans).toMatchObject([
    { name: 'run echo', parent: caller, failed: true, attributes: { 'agentwire.outcome': 'failed' } },
    { name: 'run echo', parent: caller, attributes: { 'agentwire.attempt': 2 } },
  ]);
});

it('nothing that a client sends makes an attribute as long as it likes', async () => {
  const { tracing, spans } = recordedTracing();
  await tracing.operation('publish', { topic: 'x'.repeat(100_000), agent: { a: 1 } }, done);
  expect(spans[0]?.attributes['messaging.destination.name']).toHaveLength(320);
  expect(spans[0]?.attributes).not.toHaveProperty('agentwire.agent');
});

it('log lines of what is under way say the trace, all others nothing', async () => {
  const { tracing, spans } = recordedTracing();
  const lines: Record<string, unknown>[] = [];
  const log = createLogger('info', {}, { write: (line) => void lines.push(JSON.parse(line)) }, tracing.fields);
  const child = log.with({ node: 'n' });
  child.info('before');
  await tracing.operation('run', { traceparent }, () => {
    child.info('within');
    return done();
  });
  expect(lines[0]).not.toHaveProperty('trace_id');
  expect(lines[1]).toMatchObject({ node: 'n', message: 'within', trace_id: traceId, span_id: spans[0]?.spanId });
});

it('what the SDK complains of is said once a minute, in words', () => {
  const { tracing } = recordedTracing();
  const clock = new ManualClock();
  const lines: Record<string, unknown>[] = [];
  const log = createLogger('info', {}, { write: (line) => void lines.push(JSON.parse(line)) });
  tracing.report(log, clock);
  const said = JSON.stringify({ stack: 'Error: no way\n at', message: 'no way', code: 'X' });
  diag.error(said);
  diag.error(said);
  clock.advance(60_000);
  diag.warn('plain', 'words');
  expect(lines.map((line) => line['said'])).toEqual(['no way', 'plain words']);
});
