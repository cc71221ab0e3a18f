import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { faultsOf, faultsOfSaying, hasEnded, historyOf, recordOf, whenRun } from '../support/run-history.ts';
import { startRunCluster } from '../support/run-cluster.ts';
import type { RunCluster } from '../support/run-cluster.ts';
import { hasSeenEnd, LibraryWatcher, NativeWatcher, SseWatcher } from '../support/run-watchers.ts';
import type { Watcher } from '../support/run-watchers.ts';

/** 200 for the full measure: so many with the worker that drains, and as many with the other. */
const runs = Number(process.env['DRAIN_RUNS'] ?? 40);
const drainMs = runs > 40 ? 10_000 : 3000;
/** What handing back may take beyond the drain: see docs/operations.md. */
const overtimeMs = 6000;
const patience = { timeout: 60_000, interval: 50 };

interface Started {
  readonly invocation: string;
  readonly text: string;
  readonly watchers: readonly Watcher[];
}

it(`a worker drains in the middle of ${runs} runs: each ends once, those that take too long with another`, async () => {
  const env = { AGENTWIRE_WORKER_CONCURRENCY: String(runs), AGENTWIRE_DRAIN_MS: String(drainMs) };
  const cluster = await startRunCluster({ workers: 2, env });
  const { http, workers } = cluster;
  const watchers = watchersOf(cluster);
  const gate = join(mkdtempSync(join(tmpdir(), 'agentwire-drain-')), 'open');
  onTestFinished(() => rmSync(dirname(gate), { recursive: true }));
  // As many as both have room for, so that each of them works on half.
  const started = await Promise.all(Array.from({ length: runs * 2 }, (_, i) => startOne(i, gate, watchers)));
  const [leaving, staying] = workers;
  for (const worker of [leaving!, staying!]) {
    await vi.waitFor(async () => expect(await figure(worker, 'agentwire_runs_running')).toBe(runs), patience);
  }

  writeFileSync(gate, '');
  const began = performance.now();
  leaving!.signal('SIGTERM');
  while ((await leaving!.http('GET', '/readyz')).status === 200);
  expect((await leaving!.http('GET', '/readyz')).json()).toMatchObject({ status: 'draining' });
  expect(await figure(leaving!, 'agentwire_draining')).toBe(1);
  expect(await leaving!.exited).toBe(0);
  const tookMs = performance.now() - began;
  expect(tookMs).toBeLessThan(drainMs + overtimeMs);

  const faults: string[] = [];
  let again = 0;
  for (const { invocation, text, watchers: both } of started) {
    await whenRun(http, invocation, hasEnded, patience);
    const record = await recordOf(http, invocation);
    const events = await historyOf(http, invocation);
    faults.push(...faultsOf(events, record), ...faultsOfSaying(events, record, text));
    if (record.state !== 'completed' || record.attempt > 2) faults.push(`${invocation}: ${JSON.stringify(record)}`);
    again += Number(record.attempt === 2);
    for (const watcher of both) {
      await vi.waitFor(() => expect(hasSeenEnd(watcher, invocation)).toBe(true), patience);
      expect(watcher.seen.get(invocation)).toEqual(events.map(({ seq, data }) => ({ seq, data })));
    }
  }
  faults.push(...watchers.flatMap((watcher) => watcher.faults));
  expect(faults).toEqual([]);
  // Some were let end where they were, and some were handed back: by the worker itself, so nobody had to take them over.
  expect(again).toBeGreaterThan(0);
  expect(again).toBeLessThan(runs);
  expect(await figure(staying!, 'agentwire_run_takeovers_total')).toBe(0);
  if (process.env['DRAIN_RUNS'] !== undefined) {
    process.stderr.write(`${JSON.stringify({ runs, handedBack: again, tookMs: Math.round(tookMs) })}\n`);
  }
}, 180_000);

/** From a quarter of the drain to twice as long. */
async function startOne(index: number, open: string, watchers: readonly Watcher[]): Promise<Started> {
  const words = 20;
  const text = Array.from({ length: words }, (_, word) => `${index}.${word} `).join('');
  const delayMs = (drainMs / words / 4) * (1 + (Math.floor(index / 2) % 8));
  const [starter, other] = [watchers[index % watchers.length]!, watchers[(index + 1) % watchers.length]!];
  const invocation = await starter.start({ agent: 'gated', input: { open, text, delayMs } });
  other.watch(invocation);
  return { invocation, text, watchers: [starter, other] };
}

function watchersOf({ balancer, http }: RunCluster): Watcher[] {
  return [
    ...(['json', 'msgpack'] as const).map((format) => new NativeWatcher(balancer.port, format)),
    ...(['json', 'msgpack'] as const).map((format) => new LibraryWatcher(balancer.port, format)),
    new SseWatcher(balancer.port, http),
  ];
}

async function figure({ http }: RunCluster['workers'][number], name: string): Promise<number> {
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec((await http('GET', '/metrics')).text)?.[1]);
}
