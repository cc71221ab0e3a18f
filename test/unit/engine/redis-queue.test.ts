import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Engine, HeldJob, NewJob, Verdict } from '../../../shared/engine/engine.ts';
import { Keys } from '../../../shared/engine/redis/keys.ts';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { codeOf, count, got } from '../../contracts/engine-bench.ts';
import { startQueueProcess } from '../../support/queue-process.ts';
import { startCluster } from '../../support/redis-cluster.ts';
import { promotesSoon, startSentinel } from '../../support/redis-sentinel.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';

const patience = { timeout: 25_000, interval: 20 };

describe('a queue on Redis when something breaks', () => {
  let server: RedisServer;
  const engines: Engine[] = [];

  beforeEach(async () => {
    server = await startRedis({ durable: true });
  });
  afterEach(async () => {
    server.thaw();
    for (const engine of engines.splice(0)) await engine.stop();
    await server.stop();
  });

  async function started(url = server.url) {
    const warnings: string[] = [];
    const onWarning = (message: string): unknown => warnings.push(message);
    const engine = createRedisEngine({ url, historySize: 1000, historyTtlMs: 60_000, metaTtlMs: 600_000, onWarning });
    engine.log.listen({ live: () => undefined, disturbed: () => undefined });
    engines.push(engine);
    await engine.start();
    const queue = engine.queue('work');
    const add = (id: string, rest: Partial<NewJob> = {}) => got(queue.add({ id, data: id, ...rest }));
    const begun: string[] = [];
    const consume = (work: (job: HeldJob) => Promise<Verdict>, slots = 10) =>
      got(queue.consume({ slots, work: (job) => (begun.push(job.id), work(job)) }));
    const atOnce = (): Promise<Verdict> => Promise.resolve('done');
    return { engine, queue, warnings, add, begun, consume, atOnce };
  }

  it('gives the jobs of a consumer that was killed to another one, before all others', async () => {
    const { queue, add, begun, consume, atOnce } = await started();
    await add('first', { priority: 3 });
    const victim = startQueueProcess(server.url, 1);
    await vi.waitFor(() => expect(victim.lines).toContain('begun first'), patience);
    await consume(() => new Promise(() => undefined), 1);
    for (const id of ['busy', 'next']) await add(id, { priority: 9 });
    await vi.waitFor(() => expect(begun).toEqual(['busy']), patience);
    await victim.kill();
    await vi.waitFor(async () => expect((await got(queue.counts())).waiting).toBe(2), patience);
    await consume(atOnce, 1);
    await vi.waitFor(() => expect(begun).toEqual(['busy', 'first', 'next']), patience);
    await vi.waitFor(async () => expect(await got(queue.has(['first', 'next']))).toEqual([false, false]), patience);
  });

  it('takes a job from a consumer that is frozen, and that one knows when it wakes up', async () => {
    const { queue, add, begun, consume } = await started();
    const frozen = startQueueProcess(server.url, 2);
    await vi.waitFor(() => expect(frozen.lines).toContain('ready'), patience);
    for (const id of ['a', 'b']) await add(id);
    await vi.waitFor(() => expect(frozen.lines).toEqual(['ready', 'begun a', 'begun b']), patience);
    const ended: (() => void)[] = [];
    await consume(() => new Promise((resolve) => ended.push(() => resolve('done'))));
    frozen.signal('SIGSTOP');
    await vi.waitFor(() => expect(begun.toSorted()).toEqual(['a', 'b']), patience);
    frozen.signal('SIGCONT');
    await vi.waitFor(() => expect(frozen.lines.slice(3)).toEqual(['lost a', 'lost b']), patience);
    for (const end of ended) end();
    await vi.waitFor(async () => expect((await got(queue.counts())).running).toBe(0), patience);
    expect(begun).toHaveLength(2);
  });

  it('is not called for a job that it has taken', async () => {
    const { queue, add, begun, consume, atOnce } = await started();
    await consume(atOnce);
    const jobs = 20;
    for (let i = 1; i <= jobs; i++) {
      await add(`job ${i}`);
      await vi.waitFor(() => expect(begun).toHaveLength(i), patience);
      await vi.waitFor(async () => expect((await got(queue.counts())).running).toBe(0), patience);
    }
    const redis = new Redis(server.port);
    const calls = Number(/cmdstat_bzpopmin:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1]);
    redis.disconnect();
    // One that waits for long asks anew now and then.
    expect(calls).toBeLessThan(1.5 * jobs);
  });

  it('leaves nothing in Redis of jobs that are done, and no story of them', async () => {
    const { queue, add, begun, consume } = await started();
    for (const id of ['soon', 'again']) await add(id);
    await add('later', { delayMs: 1 });
    await add('removed', { delayMs: 60_000 });
    await got(queue.remove('removed'));
    await consume((job) => Promise.resolve(job.id === 'again' && begun.length < 4 ? { againInMs: 1 } : 'done'));
    await vi.waitFor(
      async () => expect(await got(queue.has(['soon', 'later', 'again']))).not.toContain(true),
      patience,
    );
    const redis = new Redis(server.port);
    const kept = (await redis.keys('aw:q:*')).map((key) => key.slice(key.lastIndexOf(':') + 1)).toSorted();
    redis.disconnect();
    expect(kept.filter((name) => name === 'events' || name.startsWith('j.'))).toEqual([]);
  });

  it('keeps a job as long as its work takes, parked or not', async () => {
    const { queue, add, begun, consume } = await started();
    const held: HeldJob[] = [];
    await consume((job) => {
      held.push(job);
      return new Promise(() => undefined);
    });
    for (const id of ['parked', 'works']) await add(id);
    await vi.waitFor(() => expect(held).toHaveLength(2), patience);
    held[0]!.park();
    // Renewed when less is left of a lease than a check would find.
    const admin = new Redis(server.url);
    try {
      const [lock = ''] = await admin.keys('aw:q:*:j.parked:lock');
      let before = await admin.pttl(lock);
      for (const _ of count(3)) {
        await vi.waitFor(async () => {
          const left = await admin.pttl(lock);
          const renewed = left > before;
          before = left;
          expect(renewed).toBe(true);
        }, patience);
      }
    } finally {
      admin.disconnect();
    }
    expect(held.map((job) => job.lost.aborted)).toEqual([false, false]);
    expect(begun).toHaveLength(2);
    expect(await got(queue.counts())).toEqual({ waiting: 0, delayed: 0, running: 2 });
  });

  it('waits longer after each fault of a job, and does not lose count in another consumer', async () => {
    const { add, consume } = await started();
    const times: number[] = [];
    const failing = (): Promise<Verdict> => {
      times.push(performance.now());
      return Promise.reject(new Error('a fault of the test'));
    };
    const first = await consume(failing);
    await add('a');
    await vi.waitFor(() => expect(times).toHaveLength(2), patience);
    await first.stop(1000);
    const other = await started();
    await other.consume(failing);
    await vi.waitFor(() => expect(times).toHaveLength(4), patience);
    // Never before its time; how much later is the machine's affair.
    for (const [i, ms] of [100, 200, 400].entries()) expect(times[i + 1]! - times[i]!).toBeGreaterThan(ms - 5);
    expect(other.warnings.filter((line) => line.includes('a fault of the test'))).toHaveLength(1);
  });

  it('answers unavailable while the server is away, and goes on afterwards without help, once for each job', async () => {
    const { queue, add, begun, consume, atOnce, warnings } = await started();
    await consume(atOnce);
    await add('before');
    await vi.waitFor(() => expect(begun).toEqual(['before']), patience);
    await server.kill9();
    expect(await codeOf(queue.add({ id: 'x', data: '' }))).toBe('unavailable');
    expect(await codeOf(queue.remove('x'))).toBe('unavailable');
    expect(await codeOf(queue.has(['x']))).toBe('unavailable');
    expect(await codeOf(queue.counts())).toBe('unavailable');
    expect(await codeOf(queue.consume({ slots: 1, work: atOnce }))).toBe('unavailable');
    const lines = warnings.length;
    await server.restart();
    await vi.waitFor(() => add('after'), patience);
    await vi.waitFor(() => expect(begun).toEqual(['before', 'after']), patience);
    await vi.waitFor(async () => expect(await got(queue.has(['before', 'after']))).toEqual([false, false]), patience);
    // One for each of the engine's two connections.
    expect(lines).toBeLessThanOrEqual(2);
  });

  it('answers unavailable when the server is frozen, loses what it cannot renew, and begins it anew', async () => {
    const { engine, queue, add, begun, consume } = await started();
    const held: HeldJob[] = [];
    await consume((job) => {
      held.push(job);
      return held.length === 1 ? new Promise(() => undefined) : Promise.resolve('done');
    });
    await add('a');
    await vi.waitFor(() => expect(held).toHaveLength(1), patience);
    server.freeze();
    expect(await codeOf(queue.add({ id: 'x', data: '' }))).toBe('unavailable');
    await vi.waitFor(() => expect(held[0]!.lost.aborted).toBe(true), patience);
    server.thaw();
    await vi.waitFor(() => expect(engine.ready()).toBe(true), patience);
    await vi.waitFor(() => expect(begun.filter((id) => id === 'a')).toHaveLength(2), patience);
    await vi.waitFor(async () => expect(await got(queue.has(['a']))).toEqual([false]), patience);
  });

  it('tells the store of a job that ended while it was away', async () => {
    const { queue, add, begun, consume } = await started();
    let end: (verdict: Verdict) => void = () => undefined;
    await consume(() => new Promise((resolve) => (end = resolve)));
    await add('a');
    await vi.waitFor(() => expect(begun).toEqual(['a']), patience);
    await server.kill9();
    end('done');
    await server.restart();
    await vi.waitFor(async () => expect(await got(queue.has(['a']))).toEqual([false]), patience);
    expect(begun).toEqual(['a']);
  });

  it('stops within its deadline and some seconds when the server is frozen', async () => {
    const { add, consume } = await started();
    const held: HeldJob[] = [];
    const consumer = await consume((job) => {
      held.push(job);
      return new Promise(() => undefined);
    });
    await add('a');
    await vi.waitFor(() => expect(held).toHaveLength(1), patience);
    server.freeze();
    await consumer.stop(10);
    expect(held[0]!.lost.aborted).toBe(true);
  });

  it('loses what it holds when its engine stops', async () => {
    const { engine, add, consume } = await started();
    const held: HeldJob[] = [];
    await consume((job) => {
      held.push(job);
      return new Promise(() => undefined);
    });
    await add('a');
    await vi.waitFor(() => expect(held).toHaveLength(1), patience);
    await engine.stop();
    expect(held[0]!.lost.aborted).toBe(true);
  });

  it('is unavailable while half of its slot is elsewhere in a cluster, and loses no job by the move', async () => {
    const cluster = await startCluster();
    try {
      const { queue, add, begun, consume, atOnce } = await started(cluster.url);
      await consume(atOnce);
      await add('before');
      await add('waits', { delayMs: 3_600_000 });
      await vi.waitFor(() => expect(begun).toEqual(['before']), patience);
      const keys = new Keys('aw', 64, true);
      const slot = keys.slotOf(keys.partitionOf('work'));
      const from = await cluster.owner(slot);
      await cluster.move(slot, from, (from + 1) % 3, 0.5, async () => {
        expect(await codeOf(queue.add({ id: 'x', data: '' }))).toBe('unavailable');
      });
      const ids = count(20).map((n) => `after ${n}`);
      for (const id of ids) await vi.waitFor(() => add(id), patience);
      await vi.waitFor(() => expect(begun.slice(1).toSorted()).toEqual(ids.toSorted()), patience);
      expect(await got(queue.counts())).toEqual({ waiting: 0, delayed: 1, running: 0 });
    } finally {
      for (const engine of engines.splice(0)) await engine.stop();
      await cluster.stop();
    }
  });

  it('goes on at the server that sentinels made the master', async () => {
    const set = await startSentinel(promotesSoon);
    try {
      const { add, begun, consume, atOnce } = await started(set.url);
      await consume(atOnce);
      await add('before');
      await vi.waitFor(() => expect(begun).toEqual(['before']), patience);
      await set.master.kill9();
      await vi.waitFor(() => add('after'), patience);
      await vi.waitFor(() => expect(begun).toContain('after'), patience);
    } finally {
      for (const engine of engines.splice(0)) await engine.stop();
      await set.stop();
    }
  });
});
