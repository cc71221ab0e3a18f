import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { AgentwireClient } from '../../shared/client/index.ts';
import type { AgentwireEvent } from '../../shared/client/index.ts';
import { comesTrue } from '../support/comes-true.ts';
import { startGatewayProcess, startWorkerProcess } from '../support/gateway-process.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { OtlpCollector } from '../support/otlp-collector.ts';
import type { Span } from '../support/otlp-collector.ts';
import { startRedis } from '../support/redis-server.ts';

const agents = fileURLToPath(new URL('../support/run-agents.ts', import.meta.url));
const caller = '00f067aa0ba902b7';
/** Of a trace that nobody else is in. */
const traceparentOf = (traceId: string, flags = '01'): string => `00-${traceId}-${caller}-${flags}`;
const newTrace = (): string => crypto.randomUUID().replaceAll('-', '');

async function connect(gateway: GatewayProcess): Promise<AgentwireClient> {
  const client = new AgentwireClient({ url: `ws://127.0.0.1:${gateway.port}/v1/ws` });
  onTestFinished(() => client.close());
  await client.connect();
  return client;
}

async function redisEnv(): Promise<{ REDIS_URL: string; AGENTWIRE_AGENTS: string }> {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  return { REDIS_URL: redis.url, AGENTWIRE_AGENTS: agents };
}

async function nextEvent(client: AgentwireClient, topic: string): Promise<() => Promise<AgentwireEvent>> {
  const heard: AgentwireEvent[] = [];
  let wake = (): void => {};
  await client.subscribe(topic, (event) => {
    heard.push(event);
    wake();
  });
  return async () => {
    while (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return heard.shift()!;
  };
}

const named = (spans: readonly Span[], name: string): Span[] => spans.filter((span) => span.name === name);
/** Spans of different processes come in any order. */
const has =
  (...names: string[]) =>
  (spans: readonly Span[]): boolean =>
    names.every((name) => named(spans, name).length >= names.filter((other) => other === name).length);
const one = (spans: readonly Span[], name: string): Span => {
  expect(named(spans, name)).toHaveLength(1);
  return named(spans, name)[0]!;
};

it('a publish is one trace, from the request at one gateway to the delivery by the other', async () => {
  const collector = await new OtlpCollector().start();
  const env = { ...(await redisEnv()), ...collector.env };
  const [here, there] = await Promise.all([startGatewayProcess(env), startGatewayProcess(env)]);
  const [publisher, reader, other] = await Promise.all([connect(here), connect(there), connect(there)]);
  const [next] = await Promise.all([nextEvent(reader, 'a.b'), nextEvent(other, 'a.*')]);

  const traceId = newTrace();
  const { seq } = await publisher.publish('a.b', { n: 1 }, { traceparent: traceparentOf(traceId) });
  const spans = await collector.trace(traceId, has('publish', 'append', 'deliver'));
  const publish = one(spans, 'publish');
  expect(publish).toMatchObject({ parent: caller, kind: 'server', service: 'agentwire-gateway', pid: here.pid });
  expect(publish.attributes).toMatchObject({ 'messaging.system': 'agentwire', 'messaging.destination.name': 'a.b' });
  expect(one(spans, 'append')).toMatchObject({ parent: publish.spanId, kind: 'client', pid: here.pid });
  const deliver = one(spans, 'deliver');
  expect(deliver).toMatchObject({ parent: publish.spanId, kind: 'consumer', pid: there.pid });
  expect(deliver.attributes).toMatchObject({ 'agentwire.seq': seq, 'agentwire.connections': 2 });
  expect(spans).toHaveLength(3);
  // The reader can go on from there, and so can one that reads the history.
  expect((await next()).traceparent).toBe(`00-${traceId}-${publish.spanId}-01`);
  const { events } = await reader.history('a.b');
  expect(events).toMatchObject([{ data: { n: 1 }, traceparent: `00-${traceId}-${publish.spanId}-01` }]);

  // Over HTTP it is the header.
  const overHttp = newTrace();
  await here.http('POST', '/v1/topics/a.b/publish', { data: 2 }, { traceparent: traceparentOf(overHttp) });
  const httpSpans = await collector.trace(overHttp, has('publish'));
  expect(one(httpSpans, 'publish').parent).toBe(caller);

  // What the caller does not record is not recorded here, and a bad one is none: the request begins a trace of its own.
  await next();
  const silent = newTrace();
  await publisher.publish('a.b', 3, { traceparent: traceparentOf(silent, '00') });
  expect((await next()).traceparent).toBeUndefined();
  await publisher.publish('a.b', 4, { traceparent: 'nonsense' });
  const [, own = ''] = (await next()).traceparent?.split('-') ?? [];
  const ownSpans = await collector.trace(own, has('publish'));
  expect(one(ownSpans, 'publish').parent).toBe('');
  expect(collector.spans.filter((span) => span.traceId === silent)).toEqual([]);
});

it('a run is one trace over gateway, queue and worker, and a takeover adds its attempt to it', async () => {
  const collector = await new OtlpCollector().start();
  const env = { ...(await redisEnv()), ...collector.env };
  const [here, there, first] = await Promise.all([
    startGatewayProcess(env),
    startGatewayProcess(env),
    startWorkerProcess(env),
  ]);
  const [starter, watcher] = await Promise.all([connect(here), connect(there)]);
  // Whoever starts a run may get its first events late, as a replay; whoever is there before does not.
  await watcher.subscribe('run.*', () => {});

  const traceId = newTrace();
  const run = starter.run('echo', 'hello', { traceparent: traceparentOf(traceId) });
  const invocation = await run.invocation;
  await run.result();
  const spans = await collector.trace(
    traceId,
    (all) =>
      has('run', 'send runs', 'run echo')(all) &&
      named(all, 'deliver').filter(({ pid }) => pid === there.pid).length >= 3,
  );
  const request = one(spans, 'run');
  expect(request).toMatchObject({ parent: caller, kind: 'server', pid: here.pid });
  expect(request.attributes).toMatchObject({ 'agentwire.agent': 'echo', 'agentwire.invocation': invocation });
  expect(one(spans, 'send runs')).toMatchObject({ parent: request.spanId, kind: 'producer', pid: here.pid });
  const attempt = one(spans, 'run echo');
  expect(attempt).toMatchObject({ parent: request.spanId, kind: 'consumer', service: 'agentwire-worker' });
  expect(attempt).toMatchObject({ pid: first.pid, failed: false });
  expect(attempt.attributes).toMatchObject({
    'agentwire.invocation': invocation,
    'agentwire.agent': 'echo',
    'agentwire.attempt': 1,
    'agentwire.outcome': 'completed',
  });
  // The claim comes before the attempt, the end of it within.
  const commits = named(spans, 'commit').filter(({ pid }) => pid === first.pid);
  expect(commits.map(({ parent }) => parent)).toEqual(expect.arrayContaining([request.spanId, attempt.spanId]));
  // `queued`, `started` and `completed`, and none of the chunks.
  const delivered = named(spans, 'deliver').filter(({ pid }) => pid === there.pid);
  expect(delivered.map(({ parent }) => parent)).toEqual(Array(3).fill(request.spanId));
  const { events } = await watcher.history(`run.${invocation}`);
  const carried = events.map(({ data, traceparent }) => [(data as { kind: string }).kind, traceparent?.slice(-19, -3)]);
  expect(carried).toEqual([
    ['queued', request.spanId],
    ['started', request.spanId],
    ['chunk', undefined],
    ['completed', request.spanId],
  ]);
  expect(named(spans, 'append')).toEqual([]);

  const takenOver = newTrace();
  const lasting = starter.run('where', { attempts: 2 }, { traceparent: traceparentOf(takenOver) });
  const followed = watcher.attach(await lasting.invocation);
  for await (const event of followed) if (event.kind === 'chunk') break;
  // Of an attempt that dies with its worker, the claim is there.
  await collector.trace(takenOver, (all) => named(all, 'commit').some(({ pid }) => pid === first.pid));
  const second = await startWorkerProcess(env);
  await first.kill();
  await followed.result();
  const attempts = await collector.trace(takenOver, has('run', 'run where'));
  const again = one(attempts, 'run where');
  expect(again).toMatchObject({ parent: one(attempts, 'run').spanId, pid: second.pid });
  expect(again.attributes).toMatchObject({ 'agentwire.attempt': 2, 'agentwire.outcome': 'completed' });

  const failing = newTrace();
  const bad = starter.run('fail', { message: 'no' }, { traceparent: traceparentOf(failing) });
  await expect(bad.result()).rejects.toThrow('no');
  const failed = one(await collector.trace(failing, has('run fail')), 'run fail');
  expect(failed).toMatchObject({ failed: true, attributes: { 'agentwire.outcome': 'failed' } });
}, 60_000);

it('nothing is sent, and nothing carried along, where nobody asks for it or it is switched off', async () => {
  const collector = await new OtlpCollector().start();
  const off = { ...collector.env, OTEL_SDK_DISABLED: 'true' };
  const none = { ...collector.env, OTEL_TRACES_EXPORTER: 'none' };
  const untraced = async (env: Record<string, string>): Promise<void> => {
    const gateway = await startGatewayProcess(env);
    const client = await connect(gateway);
    const next = await nextEvent(client, 'a');
    await client.publish('a', 1, { traceparent: traceparentOf(newTrace()) });
    expect(await next()).not.toHaveProperty('traceparent');
    await client.close();
    expect(await gateway.stop()).toBe(0);
  };
  await Promise.all([{}, off, none].map(untraced));
  expect(collector.requests).toBe(0);
});

it('a collector that is away holds up neither requests nor the end of the process', async () => {
  // Nobody listens on port 1.
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_EXPORTER_OTLP_TIMEOUT: '100',
    OTEL_BSP_SCHEDULE_DELAY: '20',
  };
  const gateway = await startGatewayProcess(env, 'standalone');
  const client = await connect(gateway);
  // More than it keeps for a collector.
  for (let round = 0; round < 5; round += 1)
    await Promise.all(Array.from({ length: 800 }, () => client.publish('a', round)));
  expect(await client.run('echo', 'hello').result()).toBe('hello');
  expect((await client.history('a')).seq).toBe(4000);
  await comesTrue(() => Promise.resolve(gateway.output().includes('ECONNREFUSED')));
  await client.close();
  expect(await gateway.stop()).toBe(0);
});

it('what waits when a process ends is sent before it does, by one that takes it', async () => {
  const collector = await new OtlpCollector().start();
  const never = { OTEL_BSP_SCHEDULE_DELAY: '600000', OTEL_EXPORTER_OTLP_TIMEOUT: '600000' };
  const traceId = newTrace();
  const endOf = async (env: Record<string, string>): Promise<string> => {
    const gateway = await startGatewayProcess({ ...env, ...never });
    await gateway.http('POST', '/v1/topics/a/publish', { data: 1 }, { traceparent: traceparentOf(traceId) });
    expect(await gateway.stop()).toBe(0);
    return gateway.output();
  };
  // One that says nothing at all holds it up for a moment, and the loss is told.
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => {
    silent.closeAllConnections();
    silent.close();
  });
  const { port } = silent.address() as AddressInfo;
  const [taken, lost] = await Promise.all([
    endOf(collector.env),
    endOf({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` }),
  ]);
  expect(taken).not.toContain('the last spans were not taken');
  expect(lost).toContain('the last spans were not taken in time');
  expect(collector.spans.filter((span) => span.traceId === traceId)).toHaveLength(2);
});

it.each(['gateway', 'worker'])(
  'a %s that is asked to trace and cannot says so, and does not start',
  async (service) => {
    // As if it had never been installed.
    const missing = `import { registerHooks } from 'node:module';
    registerHooks({ resolve(name, context, next) {
      if (name.startsWith('@opentelemetry/sdk-node')) throw Object.assign(new Error('no'), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    } });`;
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL(`../../services/${service}/main.ts`, import.meta.url))],
      {
        env: {
          PORT: '0',
          REDIS_URL: 'redis://127.0.0.1:1',
          OTEL_TRACES_EXPORTER: 'otlp',
          NODE_OPTIONS: `--no-warnings --import=data:text/javascript,${encodeURIComponent(missing)}`,
        },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    child.stderr.on('data', (text: Buffer) => (said += text.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    expect(said).toBe(
      `agentwire ${service} cannot start:\n` +
        '  OTEL_TRACES_EXPORTER asks for tracing, and @opentelemetry/sdk-node is not installed: install it, or unset the variable\n',
    );
    expect(code).toBe(2);
  },
);

it('one that is asked for what there is not says which variable it is, and does not start', async () => {
  const env = { OTEL_TRACES_EXPORTER: 'bogus' };
  await expect(startGatewayProcess(env)).rejects.toThrow(/cannot start:\n {2}OTEL_TRACES_EXPORTER must be /);
});
