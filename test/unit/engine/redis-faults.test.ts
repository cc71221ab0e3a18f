import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Result } from '../../../shared/base/errors.ts';
import type { Engine, LiveBatch } from '../../../shared/engine/engine.ts';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { startProxy } from '../../support/tcp-proxy.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';

const patience = { timeout: 15_000, interval: 20 };
const body = (n: number): string => JSON.stringify({ data: n });

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.code}: ${result.message}`);
  return result.value;
}

describe('the redis engine when redis fails', () => {
  let server: RedisServer;
  let admin: Redis;
  const engines: Engine[] = [];

  beforeEach(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
    admin.on('error', () => undefined);
  });

  afterEach(async () => {
    server.thaw();
    for (const engine of engines.splice(0)) await engine.stop();
    admin.disconnect();
    await server.stop();
  });

  async function started(extra: { minReplicas?: number; url?: string } = {}): Promise<{
    engine: Engine;
    live: LiveBatch[];
    warnings: string[];
    disturbances: () => number;
  }> {
    const live: LiveBatch[] = [];
    const warnings: string[] = [];
    let disturbed = 0;
    const engine = createRedisEngine({
      url: server.url,
      historySize: 1000,
      historyTtlMs: 60_000,
      metaTtlMs: 600_000,
      onWarning: (message) => warnings.push(message),
      ...extra,
    });
    engine.log.listen({ live: (batches) => live.push(...batches), disturbed: () => disturbed++ });
    engines.push(engine);
    await engine.start();
    return { engine, live, warnings, disturbances: () => disturbed };
  }

  /** The second word of a topic's meta is its last number. */
  async function rewind(meta: string, seq: number): Promise<void> {
    const words = ((await admin.get(meta)) ?? '').split(' ');
    words[1] = String(seq);
    await admin.set(meta, words.join(' '), 'KEEPTTL');
  }

  it('starts a new epoch after the server came back without its data', async () => {
    const { engine } = await started();
    const before = value(await engine.log.append({ topic: 'lost', body: body(1) }));
    await server.restart();
    await vi.waitFor(() => expect(engine.ready()).toBe(true), patience);
    const after = value(await engine.log.append({ topic: 'lost', body: body(2) }));
    expect(after.seq).toBe(1);
    expect(after.epoch).not.toBe(before.epoch);
  });

  it('loses nothing when a durable server is killed and comes back', async () => {
    await server.stop();
    server = await startRedis({ durable: true });
    const { engine } = await started();
    const before = value(await engine.log.append({ topic: 'safe', body: body(1) }));
    await server.kill9();
    await server.restart();
    await vi.waitFor(() => expect(engine.ready()).toBe(true), patience);
    expect(value(await engine.log.append({ topic: 'safe', body: body(2) }))).toMatchObject({
      seq: 2,
      epoch: before.epoch,
    });
    expect(value(await engine.log.read('safe', { limit: 10 })).events.map((event) => event.seq)).toEqual([1, 2]);
  });

  it('starts a new epoch at the next append when the tail was lost, and goes on from the head that is there', async () => {
    const { engine } = await started();
    const first = value(await engine.log.append({ topic: 'tail', body: body(1) }));
    const [meta = ''] = await admin.keys('aw:m:*:tail');
    const [stream = ''] = await admin.keys('aw:s:*:tail');
    const older = { meta: await admin.dumpBuffer(meta), stream: await admin.dumpBuffer(stream) };
    for (let n = 2; n <= 4; n++) value(await engine.log.append({ topic: 'tail', body: body(n) }));
    await admin.restore(meta, 0, older.meta, 'REPLACE');
    await admin.restore(stream, 0, older.stream, 'REPLACE');

    const next = value(await engine.log.append({ topic: 'tail', body: body(5) }));
    expect(next.seq).toBe(2);
    expect(next.epoch).not.toBe(first.epoch);
    const { head, events } = value(await engine.log.read('tail', { limit: 10 }));
    expect(head).toMatchObject({ seq: 2, epoch: next.epoch });
    expect(events.map((event) => [event.seq, event.epoch, event.body])).toEqual([
      [1, next.epoch, body(1)],
      [2, next.epoch, body(5)],
    ]);
  });

  it('notices a lost tail by what it only heard of live', async () => {
    const writer = await started();
    const reader = await started();
    value(await reader.engine.log.watch(['heard']));
    value(await writer.engine.log.append({ topic: 'heard', body: body(1) }));
    const [meta = ''] = await admin.keys('aw:m:*:heard');
    const [stream = ''] = await admin.keys('aw:s:*:heard');
    const older = { meta: await admin.dumpBuffer(meta), stream: await admin.dumpBuffer(stream) };
    const second = value(await writer.engine.log.append({ topic: 'heard', body: body(2) }));
    await vi.waitFor(() => expect(reader.live).toHaveLength(2), patience);
    await admin.restore(meta, 0, older.meta, 'REPLACE');
    await admin.restore(stream, 0, older.stream, 'REPLACE');
    const next = value(await reader.engine.log.append({ topic: 'heard', body: body(3) }));
    expect(next.epoch).not.toBe(second.epoch);
  });

  it('starts a new epoch behind the kept events when only the numbering was lost', async () => {
    const { engine } = await started();
    const first = value(await engine.log.append({ topic: 'half', body: body(1) }));
    value(await engine.log.append({ topic: 'half', body: body(2) }));
    await admin.del((await admin.keys('aw:m:*:half'))[0] ?? '');
    const next = value(await engine.log.append({ topic: 'half', body: body(3) }));
    expect(next.seq).toBe(3);
    expect(next.epoch).not.toBe(first.epoch);
    expect(value(await engine.log.read('half', { limit: 10 })).events.map((event) => event.body)).toEqual(
      [1, 2, 3].map(body),
    );
  });

  it('goes on with the numbering when only the events were lost', async () => {
    const { engine } = await started();
    value(await engine.log.append({ topic: 'other', body: body(1) }));
    await admin.del((await admin.keys('aw:s:*:other'))[0] ?? '');
    expect(value(await engine.log.append({ topic: 'other', body: body(2) })).seq).toBe(2);
    const { head, events } = value(await engine.log.read('other', { limit: 10 }));
    expect(head.first).toBe(2);
    expect(events.map((event) => event.seq)).toEqual([2]);
  });

  it('survives a stream that is ahead of its numbering', async () => {
    const { engine } = await started();
    const first = value(await engine.log.append({ topic: 'ahead', body: body(1) }));
    for (let n = 2; n <= 3; n++) value(await engine.log.append({ topic: 'ahead', body: body(n) }));
    const [meta = ''] = await admin.keys('aw:m:*:ahead');
    await rewind(meta, 1);
    const other = await started();
    const next = value(await other.engine.log.append({ topic: 'ahead', body: body(4) }));
    expect(next.seq).toBe(4);
    expect(next.epoch).not.toBe(first.epoch);
  });

  it('watches again after its subscriber connections were killed, and says that it was disturbed', async () => {
    const writer = await started();
    const { engine, live, disturbances } = await started();
    value(await engine.log.watch(['watched']));
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await vi.waitFor(() => expect(disturbances()).toBeGreaterThan(0), patience);
    value(await writer.engine.log.append({ topic: 'watched', body: body(1) }));
    await vi.waitFor(() => expect(live.map((batch) => batch.bodies)).toEqual([[body(1)]]), patience);
  });

  it('watches everything again after its subscriber connections were killed', async () => {
    const { engine, live, disturbances } = await started();
    value(await engine.log.watchAll(true));
    const before = disturbances();
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await vi.waitFor(() => expect(disturbances()).toBeGreaterThan(before), patience);
    value(await engine.log.append({ topic: 'any', body: body(1) }));
    await vi.waitFor(() => expect(live.map((batch) => batch.topic)).toEqual(['any']), patience);
  });

  it('remakes a subscriber connection that stays open and delivers nothing', async () => {
    const proxy = await startProxy(server.port);
    try {
      const { engine, live, disturbances } = await started({ url: `redis://127.0.0.1:${proxy.port}` });
      value(await engine.log.watch(['silent']));
      proxy.mute('subscribe');
      await vi.waitFor(() => expect(disturbances()).toBeGreaterThan(0), patience);
      value(await engine.log.append({ topic: 'silent', body: body(1) }));
      await vi.waitFor(() => expect(live).toHaveLength(1), patience);
    } finally {
      await proxy.stop();
    }
  });

  it('answers unavailable and is not ready while the server is gone, and serves again when it is back', async () => {
    const { engine, live, warnings, disturbances } = await started();
    value(await engine.log.watch(['gone']));
    await server.kill9();
    await vi.waitFor(() => expect(engine.ready()).toBe(false), patience);
    const answers = await Promise.all([
      engine.log.append({ topic: 'gone', body: body(1) }),
      engine.log.heads([{ topic: 'gone' }]),
      engine.log.read('gone', { limit: 1 }),
      engine.log.active(0),
      engine.records.read('home', ['key']),
      engine.records.commit('home', { put: [{ key: 'key', value: 'value' }] }),
      engine.leases.hold('group', [{ member: 'one', value: '' }], 1000),
      engine.counters.add('counter', 1, 1000),
      engine.log.watch(['another']),
      engine.signals.on('signal', () => undefined),
    ]);
    for (const answer of answers) expect(answer).toMatchObject({ ok: false, code: 'unavailable' });
    expect(warnings.some((message) => message.includes('lost'))).toBe(true);

    await server.restart();
    await vi.waitFor(() => expect(engine.ready()).toBe(true), patience);
    await vi.waitFor(() => expect(disturbances()).toBeGreaterThan(0), patience);
    value(await engine.log.append({ topic: 'another', body: body(2) }));
    await vi.waitFor(() => expect(live.map((batch) => batch.topic)).toEqual(['another']), patience);
  });

  it('answers what was under way when the server was killed', async () => {
    const { engine } = await started();
    value(await engine.log.append({ topic: 'cut', body: body(0) }));
    const pending = Array.from({ length: 2000 }, (_, n) => engine.log.append({ topic: 'cut', body: body(n) }));
    await server.kill9();
    const answers = await Promise.all(pending);
    const refused = answers.filter((answer) => !answer.ok);
    for (const answer of refused) expect(answer).toMatchObject({ code: 'unavailable' });
    const accepted = answers.flatMap((answer) => (answer.ok ? [answer.value.seq] : []));
    expect(accepted).toEqual(accepted.map((_, i) => i + 2));
  });

  it('answers unavailable when the server is frozen, says later that it was disturbed, and serves again', async () => {
    const { engine, disturbances } = await started();
    value(await engine.log.append({ topic: 'frozen', body: body(1) }));
    server.freeze();
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, n) => engine.log.append({ topic: 'frozen', body: body(n) })),
    );
    for (const answer of answers) expect(answer).toMatchObject({ ok: false, code: 'unavailable' });
    expect(engine.ready()).toBe(false);
    server.thaw();
    await vi.waitFor(() => expect(disturbances()).toBeGreaterThan(0), patience);
    await vi.waitFor(() => expect(engine.ready()).toBe(true), patience);
    value(await engine.log.append({ topic: 'frozen', body: body(2) }));
  });

  it('refuses to start where no server is', async () => {
    await server.kill9();
    await expect(started()).rejects.toThrow(/cannot be reached/);
  });

  it('does not acknowledge what too few replicas have', async () => {
    const { engine } = await started({ minReplicas: 1 });
    expect(await engine.log.append({ topic: 'alone', body: body(1) })).toMatchObject({
      ok: false,
      code: 'unavailable',
    });

    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(server.port)] });
    try {
      await vi.waitFor(async () => expect(await admin.info('replication')).toMatch(/state=online/), patience);
      expect(value(await engine.log.append({ topic: 'alone', body: body(2) })).seq).toBe(2);
    } finally {
      await replica.stop();
    }
  });

  it('warns of a server that may throw data away', async () => {
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const { warnings } = await started();
    expect(warnings.join()).toContain('noeviction');
  });

  it('answers unavailable when the server is out of memory, and warns with its words', async () => {
    const { engine, warnings } = await started();
    await admin.config('SET', 'maxmemory', '1');
    expect(await engine.log.append({ topic: 'full', body: body(1) })).toMatchObject({ ok: false, code: 'unavailable' });
    expect(warnings.join()).toContain('OOM');
    await admin.config('SET', 'maxmemory', '0');
    expect(value(await engine.log.append({ topic: 'full', body: body(1) })).seq).toBe(1);
  });
});
