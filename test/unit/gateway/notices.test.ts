import { expect, it, onTestFinished } from 'vitest';
import { realClock } from '../../../shared/base/clock.ts';
import { fail } from '../../../shared/base/errors.ts';
import { createEngine } from '../../../shared/engine/create-engine.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { createLogger } from '../../../shared/observe/log.ts';
import { newGatewayStats } from '../../../shared/observe/metrics.ts';
import { Notices } from '../../../services/gateway/core/notices.ts';
import { Hub } from '../../../services/gateway/hub/hub.ts';
import { join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

interface Scene {
  engine: Engine;
  hub: Hub;
  notices: Notices;
  logged: Record<string, unknown>[];
  publish: (topic: string, ...data: unknown[]) => Promise<void>;
}

async function scene(): Promise<Scene> {
  const engine = createEngine({ historySize: 1000, historyTtlMs: 60_000, metaTtlMs: 60_000 });
  const logged: Record<string, unknown>[] = [];
  const hub = new Hub({
    log: engine.log,
    clock: realClock,
    fanout: { publish: () => expect.fail('nobody rides native publish here') },
    formats: [],
    stats: newGatewayStats(),
    defer: (work) => setImmediate(work),
    goesOn: () => expect.fail('nobody follows a run here'),
    maxLag: 1000,
    highWater: 1000,
  });
  const log = createLogger('error', {}, { write: (line) => void logged.push(JSON.parse(line)) });
  await engine.start();
  onTestFinished(() => engine.stop());
  const publish = async (topic: string, ...data: unknown[]): Promise<void> => {
    for (const one of data) await engine.log.append({ topic, body: JSON.stringify({ data: one }) });
  };
  return { engine, hub, notices: new Notices(hub, log), logged, publish };
}

async function hear(notices: Notices, topic: string, heard: unknown[]): Promise<() => void> {
  const listening = await notices.listen(topic, (data) => heard.push(data));
  if (!listening.ok) throw new Error(listening.message);
  return listening.value;
}

it('tells the data of the events from then on, once each and in order', async () => {
  const { notices, publish } = await scene();
  await publish('a.b', 'before');
  const heard: unknown[] = [];
  await hear(notices, 'a.b', heard);
  const said = Array.from({ length: 200 }, (_, i) => ({ i, text: 'ä\n"' }));
  await publish('a.b', ...said);
  await publish('a.c', 'of another topic');
  await expect.poll(() => heard.length).toBe(said.length);
  expect(heard).toEqual(said);
});

it('is one subscription of the node, however many listen, and ends with the last of them', async () => {
  const { hub, notices, publish } = await scene();
  const heard: unknown[][] = [[], [], []];
  const stops = await Promise.all(heard.map((into) => hear(notices, 'a.b', into)));
  const other: unknown[] = [];
  const stopOther = await hear(notices, 'a.c', other);
  expect(hub.subscriptions.size).toBe(2);
  await publish('a.b', 1);
  await expect.poll(() => heard).toEqual([[1], [1], [1]]);
  stops[0]!();
  stops[0]!();
  await publish('a.b', 2);
  await expect.poll(() => heard).toEqual([[1], [1, 2], [1, 2]]);
  stops[1]!();
  stops[2]!();
  expect(hub.subscriptions.size).toBe(1);
  await publish('a.b', 3);
  await publish('a.c', 4);
  await expect.poll(() => other).toEqual([4]);
  expect(heard).toEqual([[1], [1, 2], [1, 2]]);
  stopOther();
  expect(hub.subscriptions.size).toBe(0);
});

it('begins anew for who comes back', async () => {
  const { notices, publish } = await scene();
  const first: unknown[] = [];
  (await hear(notices, 'a.b', first))();
  await publish('a.b', 'unheard');
  const second: unknown[] = [];
  await hear(notices, 'a.b', second);
  await publish('a.b', 'heard');
  await expect.poll(() => second).toEqual(['heard']);
  expect(first).toEqual([]);
});

it('goes on for the others when one of them throws', async () => {
  const { notices, publish, logged } = await scene();
  await notices.listen('a.b', () => {
    throw new Error('not today');
  });
  const heard: unknown[] = [];
  await hear(notices, 'a.b', heard);
  await publish('a.b', 1, 2);
  await expect.poll(() => heard).toEqual([1, 2]);
  expect(logged).toHaveLength(2);
});

it('fails for all who asked while the store is away, holds nothing, and can be asked again', async () => {
  const { engine, hub, notices, publish } = await scene();
  const heads = engine.log.heads.bind(engine.log);
  engine.log.heads = () => Promise.resolve(fail('unavailable'));
  const asked = await Promise.all([notices.listen('a.b', () => {}), notices.listen('a.b', () => {})]);
  expect(asked).toMatchObject([
    { ok: false, code: 'unavailable' },
    { ok: false, code: 'unavailable' },
  ]);
  expect(hub.subscriptions.size).toBe(0);
  engine.log.heads = heads;
  const heard: unknown[] = [];
  await hear(notices, 'a.b', heard);
  await publish('a.b', 1);
  await expect.poll(() => heard).toEqual([1]);
});

it('ends with the connection on whose behalf its dialect listens', async () => {
  const { port } = await startGateway();
  const watcher = await join(port);
  const held = async (): Promise<number> => {
    const { node } = await watcher.request<{ node: { subscriptions: number } }>({ type: 'metrics' });
    return node.subscriptions;
  };
  // A chat that comes back listens to the runs of its session, whoever starts them, and to operators, of one and of all.
  await watcher.request({ type: 'session.create', session: 's' });
  const chat = await join(port, { bare: true, path: '/ws?sessionId=s' });
  await expect.poll(held).toBe(3);
  await chat.close();
  await expect.poll(held).toBe(0);
});
