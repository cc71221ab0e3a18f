import { expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { traced } from '../../../shared/engine/traced.ts';
import { withTraceparent } from '../../../shared/wire/event-frame.ts';
import { body, got } from '../../contracts/engine-bench.ts';
import { engineSuite } from '../../contracts/engine-suite.ts';
import { recordedTracing } from '../../support/recorded-spans.ts';

const retention = { historySize: 1000, historyTtlMs: 600_000, metaTtlMs: 36_000_000 };

engineSuite('an engine that is traced', async () => {
  const clock = new ManualClock();
  const { tracing } = recordedTracing();
  const engine = traced(createMemoryEngine({ ...retention, clock }), tracing, 'memory');
  return { engine, advance: (ms) => clock.advance(ms), close: async () => undefined };
});

it('tells of what a request changes, and of events only where they carry its trace', async () => {
  const { tracing, spans } = recordedTracing();
  const engine = traced(createMemoryEngine(retention), tracing, 'memory');
  await engine.start();
  await tracing.operation('publish', {}, async () => {
    const trace = tracing.current() ?? '';
    await got(engine.log.append({ topic: 'a', body: withTraceparent(body(1), trace) }));
    await got(engine.log.append({ topic: 'b', body: body(2) }));
    await got(engine.records.read('run.1', ['run']));
    await got(engine.records.commit('run.1', { put: [{ key: 'run', value: '{}' }] }));
    return engine.queue('runs').add({ id: '1', data: '1' });
  });
  await engine.stop();
  expect(spans.map(({ name, attributes }) => [name, attributes['db.system.name']])).toEqual([
    ['append', 'memory'],
    ['commit', 'memory'],
    ['send runs', undefined],
    ['publish', undefined],
  ]);
});
