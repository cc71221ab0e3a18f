import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Engine, LiveBatch } from '../../../shared/engine/engine.ts';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { body, got } from '../../contracts/engine-bench.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';

const patience = { timeout: 15_000, interval: 20 };

describe('the first event that redis has of a topic', () => {
  const live: LiveBatch[] = [];
  let server: RedisServer;
  let admin: Redis;
  let engine: Engine;

  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
    engine = createRedisEngine({ url: server.url, historySize: 1000, historyTtlMs: 60_000, metaTtlMs: 600_000 });
    engine.log.listen({ live: (batches) => live.push(...batches), disturbed: () => undefined });
    await engine.start();
  });
  afterAll(async () => {
    await engine.stop();
    admin.disconnect();
    await server.stop();
  });

  it('needs no look at its stream, and what is old leaves an index once a call', async () => {
    const appends = ['run.a', 'task.a.created', 'task.a.assigned'].map((topic) => ({ topic, body: body(1), fence: 1 }));
    await admin.config('RESETSTAT');
    await got(engine.records.commit('run.a', { append: appends }));
    const stats = await admin.info('commandstats');
    const calls = (name: string): number => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
    expect(['xadd', 'xrevrange', 'xrange', 'zremrangebyscore'].map(calls)).toEqual([3, 0, 0, 1]);
  });

  it.each([
    ['plain', {}],
    ['fenced', { fence: 1 }],
    ['ephemeral', { ephemeral: true }],
  ])('tells what was before it where only the numbering was lost: %s', async (topic, how) => {
    await got(engine.log.watch([topic]));
    await got(engine.log.append({ topic, body: body(1) }));
    const last = await got(engine.log.append({ topic, body: body(2) }));
    await admin.del((await admin.keys(`aw:m:*:${topic}`))[0] ?? '');
    await got(engine.log.append({ topic, body: body(3), ...how }));
    const told = (): LiveBatch | undefined => live.find(({ bodies }) => bodies[0] === body(3));
    await vi.waitFor(() => expect(told()?.previousTs).toBe(last.ts), patience);
    live.length = 0;
  });
});
