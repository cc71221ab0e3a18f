import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { LiveBatch } from '../../../shared/engine/engine.ts';
import { parseBlocks } from '../../../shared/engine/redis/blocks.ts';
import { Keys } from '../../../shared/engine/redis/keys.ts';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';

describe('blocks', () => {
  it('are read in order, each with its own bodies', () => {
    const batches: LiveBatch[] = [];
    parseBlocks('ab 7 1000 999 a.b\n{"data":1}\n{"data":" x 1 2 3 y"}\n- 0 1001 0 c\n{"data":2}', batches);
    expect(batches).toEqual([
      { topic: 'a.b', epoch: 'ab', seq: 7, ts: 1000, previousTs: 999, bodies: ['{"data":1}', '{"data":" x 1 2 3 y"}'] },
      { topic: 'c', epoch: '', seq: 0, ts: 1001, previousTs: 0, bodies: ['{"data":2}'] },
    ]);
  });
});

describe('keys', () => {
  let cluster: RedisServer;
  let redis: Redis;

  beforeAll(async () => {
    cluster = await startRedis({ args: ['--cluster-enabled', 'yes'] });
    redis = new Redis(cluster.url, { enableReadyCheck: false });
  });
  afterAll(async () => {
    redis.disconnect();
    await cluster.stop();
  });

  it('put each partition into its own stretch of the slots of a cluster', async () => {
    const keys = new Keys('aw', 64, true);
    for (let partition = 0; partition < 64; partition++) {
      const slot = await redis.cluster('KEYSLOT', keys.index(partition));
      expect(Math.floor((slot * 64) / 16_384)).toBe(partition);
    }
  });

  it('put everything that a script touches into one slot, whatever the names hold', async () => {
    const keys = new Keys('aw', 8, true);
    const partition = keys.partitionOf('home{x}');
    const names = [
      keys.meta(partition, 'a.b'),
      keys.stream(partition, 'a.b'),
      keys.remembered(partition, 'a.b', 0),
      keys.remembered(partition, 'a.b', 1),
      keys.index(partition),
      keys.record(partition, 'home{x}', '{other}'),
      keys.rankedList(partition, 'home{x}', '{another}'),
      keys.wholeChannel(partition),
      `${keys.topicChannels(partition)}a.b`,
    ];
    const slots = new Set<number>();
    for (const name of names) slots.add(await redis.cluster('KEYSLOT', name));
    expect(slots.size).toBe(1);
  });

  it('do not mix up the records of two homes', () => {
    const keys = new Keys('aw', 1, false);
    expect(keys.record(0, 'a', 'b:c')).not.toBe(keys.record(0, 'a:b', 'c'));
  });
});

describe('a redis engine that moves between topic and partition channels', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  it('hands over each event of a watched topic once and in order, through both moves, under traffic', async () => {
    const options = { url: server.url, historySize: 100_000, historyTtlMs: 60_000, metaTtlMs: 600_000 };
    const writer = createRedisEngine(options);
    const reader = createRedisEngine(options);
    const seqs: number[] = [];
    const strangers: string[] = [];
    let disturbed = 0;
    reader.log.listen({
      live: (batches) => {
        for (const { topic, seq, bodies } of batches) {
          if (topic !== 'watched') strangers.push(topic);
          else for (let i = 0; i < bodies.length; i++) seqs.push(seq + i);
        }
      },
      disturbed: () => disturbed++,
    });
    await writer.start();
    await reader.start();
    expect(await reader.log.watch(['watched'])).toMatchObject({ ok: true });

    let writing = true;
    let last = 0;
    const traffic = (async () => {
      while (writing) {
        const answer = await writer.log.append({ topic: 'watched', body: '{"data":1}' });
        if (answer.ok) last = answer.value.seq;
        await writer.log.append({ topic: 'unwatched', body: '{"data":1}' });
      }
    })();
    await vi.waitFor(() => expect(seqs.length).toBeGreaterThan(50), { timeout: 10_000 });
    expect(await reader.log.watchAll(true)).toMatchObject({ ok: true });
    expect(disturbed).toBe(1);
    await vi.waitFor(() => expect(strangers.length).toBeGreaterThan(50), { timeout: 10_000 });
    expect(await reader.log.watchAll(false)).toMatchObject({ ok: true });
    const heard = strangers.length;
    await vi.waitFor(() => expect(disturbed).toBe(2), { timeout: 10_000 });
    const soFar = seqs.length;
    await vi.waitFor(() => expect(seqs.length).toBeGreaterThan(soFar + 50), { timeout: 10_000 });
    writing = false;
    await traffic;
    await vi.waitFor(() => expect(seqs.at(-1)).toBe(last), { timeout: 10_000 });

    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
    expect(strangers.length).toBe(heard);
    await reader.stop();
    await writer.stop();
  });
});
