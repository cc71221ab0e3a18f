import { expect, it, vi } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun, startRunCluster } from '../support/run-cluster.ts';
import { faultsOf, hasEnded, historyOf, recordOf, whenRun } from '../support/run-history.ts';
import { planFor } from '../support/run-plans.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { hasSeenEnd, LibraryWatcher, NativeWatcher, SseWatcher } from '../support/run-watchers.ts';
import { seeded } from '../support/seeded.ts';

const runs = 40;
const seed = Number(process.env['RUN_STORM_SEED'] ?? Date.now() % 1_000_000);
const patience = { timeout: 120_000, interval: 50 };

async function frozen(redis: RedisServer, ms: number): Promise<void> {
  redis.freeze();
  // The length of it is what is tested: below a worker's lease, and above it.
  await sleep(ms);
  redis.thaw();
}

const mishaps: { what: string; befall: (redis: RedisServer) => Promise<void> }[] = [
  { what: 'is killed and comes back', befall: (redis) => redis.restart() },
  { what: 'is frozen for 3 s', befall: (redis) => frozen(redis, 3000) },
  { what: 'is frozen for 8 s', befall: (redis) => frozen(redis, 8000) },
];

it.each(mishaps)(
  `runs end exactly once when Redis $what, and nobody misses an event (RUN_STORM_SEED=${seed})`,
  async ({ befall }) => {
    const random = seeded(seed);
    const redis = await startRedis({ durable: true });
    const cluster = await startRunCluster({ redis, env: { AGENTWIRE_WORKER_CONCURRENCY: String(runs) } });
    const { http, balancer } = cluster;
    const watchers = [
      new NativeWatcher(balancer.port, 'msgpack'),
      new LibraryWatcher(balancer.port, 'json'),
      new SseWatcher(balancer.port, http),
    ];
    const running = await Promise.all(
      ['where', 'deaf', 'countdown'].map((agent) =>
        startRun(http, { agent, input: { from: 100_000, intervalMs: 20 } }),
      ),
    );
    for (const { invocation } of running) {
      for (const watcher of watchers) watcher.watch(invocation);
      await whenRun(http, invocation, ({ state }) => state === 'running');
    }
    const started = Array.from({ length: runs }, async (_, index) => {
      const plan = planFor(index, random, 10_000);
      const invocation = await watchers[index % watchers.length]!.start(plan.frame);
      return { invocation, plan, done: (await plan.meddle?.(http, invocation)) ?? '' };
    });
    await vi.waitFor(() => expect(watchers.every(({ seen }) => seen.size > 6)).toBe(true), patience);

    await befall(redis);
    // Not before all of it is over: these ran through it.
    for (const { invocation } of running) {
      // A conflict where the answer to the first request was lost, and that had its effect.
      expect([200, 409]).toContain((await http('POST', `/v1/runs/${invocation}/cancel`)).status);
    }
    const faults: string[] = [];
    for (const { invocation, plan, done } of await Promise.all(started)) {
      const run = await whenRun(http, invocation, hasEnded, patience);
      faults.push(...plan.check(run, await historyOf(http, invocation), done));
    }
    for (const { invocation } of running) {
      await whenRun(http, invocation, ({ state }) => state === 'cancelled', patience);
    }
    for (const watcher of watchers) {
      for (const [invocation, seen] of watcher.seen) {
        await vi.waitFor(
          () => expect([invocation, hasSeenEnd(watcher, invocation)]).toEqual([invocation, true]),
          patience,
        );
        const log = await historyOf(http, invocation);
        faults.push(...faultsOf(log, await recordOf(http, invocation)));
        expect(seen).toEqual(log.map(({ seq, data }) => ({ seq, data })));
      }
      faults.push(...watcher.faults);
    }
    expect(faults).toEqual([]);
  },
  180_000,
);
