import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { realClock } from '../../shared/base/clock.ts';
import { runParts } from '../../shared/domain/runs/parts.ts';
import { createEngine } from '../../shared/engine/create-engine.ts';
import type { Message } from '../../shared/protocol/sessions.ts';
import { configOf } from '../support/in-process.ts';
import type { Http } from '../support/in-process.ts';
import { startRunCluster } from '../support/run-cluster.ts';
import type { RunCluster } from '../support/run-cluster.ts';
import { faultsOf, faultsOfSaying, hasEnded, historyOf, recordOf, whenRun } from '../support/run-history.ts';
import { planFor } from '../support/run-plans.ts';
import type { Plan } from '../support/run-plans.ts';
import { hasSeenEnd, LibraryWatcher, NativeWatcher, SseWatcher } from '../support/run-watchers.ts';
import type { Watcher } from '../support/run-watchers.ts';
import { seeded } from '../support/seeded.ts';

/** 1,000 for the full measure. */
const runs = Number(process.env['RUN_STORM'] ?? 200);
const seed = Number(process.env['RUN_STORM_SEED'] ?? Date.now() % 1_000_000);
const runsPerSession = 5;
const patience = { timeout: 180_000, interval: 50 };

interface Started {
  readonly invocation: string;
  readonly plan: Plan;
  readonly watchers: readonly Watcher[];
  /** What was acknowledged of what was done to it. */
  readonly done: string;
}

it(`${runs} runs end exactly once while workers and a gateway die (RUN_STORM_SEED=${seed})`, async () => {
  const random = seeded(seed);
  const cluster = await startRunCluster({ random, env: { AGENTWIRE_WORKER_CONCURRENCY: String(runs) } });
  const { http, balancer } = cluster;
  const watchers = watchersOf(balancer.port, http);
  const any = (): Watcher => watchers[Math.floor(random() * watchers.length)]!;

  const started = Array.from({ length: runs }, async (_, index): Promise<Started> => {
    const plan = planFor(index, random);
    const [starter, other] = [any(), any()];
    const invocation = await starter.start(plan.frame);
    if (other !== starter) other.watch(invocation);
    return { invocation, plan, watchers: [starter, other], done: (await plan.meddle?.(http, invocation)) ?? '' };
  });
  const sessions = Array.from({ length: Math.ceil(runs / 50) }, (_, index) => sessionOf(index, http, any, random));

  let stormy = true;
  let cuts = 0;
  const cutting = (async (): Promise<void> => {
    while (stormy) {
      cuts += balancer.cut(0.03);
      await sleep(200);
    }
  })();
  const takenOver = await weather(cluster, random);
  const [all, talks] = await Promise.all([Promise.all(started), Promise.all(sessions)]);
  const everyone = [...all, ...talks.flatMap((talk) => talk.started)];
  for (const { invocation } of everyone) await whenRun(http, invocation, hasEnded, patience);
  stormy = false;
  await cutting;
  expect(cuts).toBeGreaterThan(20);

  const faults: string[] = [];
  let restarted = 0;
  for (const { invocation, plan, watchers: both, done } of everyone) {
    const run = await recordOf(http, invocation);
    const events = await historyOf(http, invocation);
    restarted += Number(run.attempt > 1);
    faults.push(...faultsOf(events, run), ...plan.check(run, events, done));
    for (const watcher of both) {
      await vi.waitFor(
        () => expect([invocation, hasSeenEnd(watcher, invocation)]).toEqual([invocation, true]),
        patience,
      );
      expect(watcher.seen.get(invocation)).toEqual(events.map(({ seq, data }) => ({ seq, data })));
    }
  }
  for (const invocation of takenOver) {
    faults.push(...faultsOf(await historyOf(http, invocation), await recordOf(http, invocation)));
  }
  faults.push(...watchers.flatMap((watcher) => watcher.faults));
  for (const talk of talks) faults.push(...(await talk.faults()));
  expect(faults).toEqual([]);
  expect(restarted).toBeGreaterThan(0);
  await nothingIsLeft(cluster.redis.url);
}, 300_000);

function watchersOf(port: number, http: Http): Watcher[] {
  return [
    ...Array.from({ length: 6 }, (_, i) => new NativeWatcher(port, i % 2 === 0 ? 'json' : 'msgpack')),
    ...Array.from({ length: 6 }, (_, i) => new LibraryWatcher(port, i % 2 === 0 ? 'json' : 'msgpack')),
    ...Array.from({ length: 3 }, () => new SseWatcher(port, http)),
  ];
}

/** Each time waits for a run that was with the victim to be with another, so that it is known to have struck. */
async function weather(cluster: RunCluster, random: () => number): Promise<string[]> {
  const { http, workers } = cluster;
  const takenOver: string[] = [];
  // Not more often than a run may lose its worker.
  for (const strike of ['kill', 'freeze', 'gateway', 'kill', 'freeze'] as const) {
    const index = Math.floor(random() * 2);
    if (strike === 'gateway') {
      await cluster.replaceGateway(index, 'kill');
      continue;
    }
    const victim = workers[index]!;
    const invocation = await cluster.runOn(victim);
    if (strike === 'kill') await cluster.replaceWorker(index, 'kill');
    else victim.signal('SIGSTOP');
    await whenRun(http, invocation, ({ attempt, state }) => attempt > 1 && state === 'running');
    if (strike === 'freeze') victim.signal('SIGCONT');
    await http('POST', `/v1/runs/${invocation}/cancel`);
    await whenRun(http, invocation, ({ state }) => state === 'cancelled');
    takenOver.push(invocation);
  }
  return takenOver;
}

interface Talk {
  readonly started: Started[];
  faults(): Promise<string[]>;
}

/** Runs of one session, which are worked on in the order in which they were started. */
async function sessionOf(index: number, http: Http, any: () => Watcher, random: () => number): Promise<Talk> {
  const session = `storm-${index}`;
  const made = await http('POST', '/v1/sessions', { session });
  // Made by a request whose answer was lost.
  if (made.status >= 400 && made.status !== 409) throw new Error(made.text);
  const started: Started[] = [];
  const texts: string[] = [];
  for (let i = 0; i < runsPerSession; i += 1) {
    const text = Array.from({ length: 10 }, (_, word) => `${session}.${i}.${word} `).join('');
    const frame = { agent: 'echo', input: { text, delayMs: Math.floor(random() * 200) }, session };
    const watcher = any();
    const invocation = await watcher.start(frame);
    const plan: Plan = {
      frame,
      check: (run, events) => [
        ...(run.state === 'completed' ? [] : [`${invocation} of ${session} is ${run.state}`]),
        ...faultsOfSaying(events, run, text),
      ],
    };
    started.push({ invocation, plan, watchers: [watcher], done: '' });
    texts.push(text);
  }
  return {
    started,
    async faults() {
      const said = (messages: Message[]): unknown[] =>
        messages.map(({ invocation, role, content }) => [invocation, role, content]);
      const wanted = started.flatMap(({ invocation, plan }, i) => [
        [invocation, 'user', plan.frame.input],
        [invocation, 'assistant', texts[i]],
      ]);
      const read = async (): Promise<Message[]> =>
        (await http('GET', `/v1/sessions/${session}/messages?limit=1000`)).json<{ messages: Message[] }>().messages;
      await vi.waitFor(async () => expect(await read()).toHaveLength(wanted.length), patience);
      const got = said(await read());
      return JSON.stringify(got) === JSON.stringify(wanted) ? [] : [`${session} has ${JSON.stringify(got)}`];
    },
  };
}

/** Neither a job nor a run that the sweeper would still have to look at. */
async function nothingIsLeft(redisUrl: string): Promise<void> {
  const config = configOf({ REDIS_URL: redisUrl });
  const engine = createEngine({ redisUrl, historySize: 1000, historyTtlMs: 60_000, metaTtlMs: 60_000 });
  await engine.start();
  onTestFinished(() => engine.stop());
  const { index } = runParts({ engine, clock: realClock, config });
  await vi.waitFor(async () => {
    expect(await index.openRuns(undefined, 1000)).toMatchObject({ ok: true, value: { invocations: [] } });
    expect(await engine.queue('runs').counts()).toMatchObject({ value: { waiting: 0, delayed: 0, running: 0 } });
  }, patience);
}
