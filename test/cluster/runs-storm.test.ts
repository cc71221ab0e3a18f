import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { realClock } from '../../shared/base/clock.ts';
import { runParts } from '../../shared/domain/runs/parts.ts';
import { createEngine } from '../../shared/engine/create-engine.ts';
import type { Message } from '../../shared/protocol/sessions.ts';
import { configOf } from '../support/in-process.ts';
import type { Http } from '../support/in-process.ts';
import { startCluster } from '../support/redis-cluster.ts';
import { startRedis } from '../support/redis-server.ts';
import { startRunCluster } from '../support/run-cluster.ts';
import type { RunCluster } from '../support/run-cluster.ts';
import {
  faultsOf,
  faultsOfSaying,
  faultsOfTask,
  hasEnded,
  historyOf,
  recordOf,
  whenRun,
} from '../support/run-history.ts';
import { planFor } from '../support/run-plans.ts';
import type { Plan } from '../support/run-plans.ts';
import { hasSeenEnd, LibraryWatcher, NativeWatcher, SseWatcher } from '../support/run-watchers.ts';
import type { Watcher } from '../support/run-watchers.ts';
import { seeded } from '../support/seeded.ts';

/** 1,000 for the full measure. */
const runs = Number(process.env['RUN_STORM'] ?? 120);
const seed = Number(process.env['RUN_STORM_SEED'] ?? Date.now() % 1_000_000);
const runsPerSession = 8;
const patience = { timeout: 180_000, interval: 50 };

interface Started {
  readonly invocation: string;
  readonly plan: Plan;
  readonly watchers: readonly Watcher[];
  /** What was acknowledged of what was done to it. */
  readonly done: string;
}

const places = [
  { on: 'one Redis', start: () => startRedis(), runs },
  // Every step of a run crosses more servers here, but the storm is the same.
  { on: 'a Redis Cluster', start: () => startCluster(), runs: Math.ceil(runs / 2) },
];

const title = `runs end exactly once while workers and gateways die, freeze and stop, on $on (RUN_STORM_SEED=${seed})`;

it.each(places)(`$runs ${title}`, { timeout: 300_000 }, async ({ start, runs: count }) => {
  const random = seeded(seed);
  const env = { AGENTWIRE_WORKER_CONCURRENCY: String(count), AGENTWIRE_DRAIN_MS: '1000' };
  const cluster = await startRunCluster({ random, env, redis: await start() });
  const { http, balancer } = cluster;
  const watchers = watchersOf(balancer.port, http);
  const any = (): Watcher => watchers[Math.floor(random() * watchers.length)]!;

  const started = Array.from({ length: count }, async (_, index): Promise<Started> => {
    const plan = planFor(index, random);
    const [starter, other] = [any(), any()];
    const invocation = await starter.start(plan.frame);
    if (other !== starter) other.watch(invocation);
    return { invocation, plan, watchers: [starter, other], done: (await plan.meddle?.(http, invocation)) ?? '' };
  });
  const sessions = Array.from({ length: Math.ceil(count / 50) }, (_, index) => sessionOf(index, http, any, random));

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
  await nothingIsLeft(cluster.redisUrl);
  // By then whatever was left undone has been told of.
  for (const { invocation } of everyone) expect(await faultsOfTask(http, await recordOf(http, invocation))).toEqual([]);
});

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
  const strikeWorker = async (how: 'kill' | 'stop' | 'freeze'): Promise<string> => {
    const index = Math.floor(random() * 2);
    const victim = workers[index]!;
    const invocation = await cluster.runOn(victim);
    if (how === 'freeze') victim.signal('SIGSTOP');
    else await cluster.replaceWorker(index, how);
    await whenRun(http, invocation, ({ attempt, state }) => attempt > 1 && state === 'running');
    if (how === 'freeze') victim.signal('SIGCONT');
    await http('POST', `/v1/runs/${invocation}/cancel`);
    await whenRun(http, invocation, ({ state }) => state === 'cancelled');
    return invocation;
  };
  // Four takeovers: a run may lose its worker five times.
  const struck = [await strikeWorker('kill'), await strikeWorker('freeze')];
  await cluster.replaceGateway(Math.floor(random() * 2), 'kill');
  struck.push(await strikeWorker('stop'), await strikeWorker('kill'));
  await cluster.replaceGateway(Math.floor(random() * 2), 'stop');
  struck.push(await strikeWorker('freeze'));
  return struck;
}

interface Talk {
  readonly started: Started[];
  faults(): Promise<string[]>;
}

/** Runs of one session: one after the other, in the order in which they were started, and some interrupt those before. */
async function sessionOf(index: number, http: Http, any: () => Watcher, random: () => number): Promise<Talk> {
  const session = `storm-${index}`;
  const made = await http('POST', '/v1/sessions', { session });
  // Made by a request whose answer was lost.
  if (made.status >= 400 && made.status !== 409) throw new Error(made.text);
  const started: Started[] = [];
  const texts = new Map<string, string>();
  for (let i = 0; i < runsPerSession; i += 1) {
    const text = Array.from({ length: 10 }, (_, word) => `${session}.${i}.${word} `).join('');
    const interrupts = random() < 0.25;
    const whenBusy = interrupts ? 'interrupt' : 'enqueue';
    const frame = { agent: 'echo', input: { text, delayMs: Math.floor(random() * 300) }, session, whenBusy };
    const watcher = any();
    const invocation = await watcher.start(frame);
    const plan: Plan = {
      frame,
      check: (run, events) => [
        ...(/^(completed|cancelled)$/.test(run.state) ? [] : [`${invocation} of ${session} is ${run.state}`]),
        ...faultsOfSaying(events, run, text),
      ],
    };
    started.push({ invocation, plan, watchers: [watcher], done: '' });
    texts.set(invocation, text);
  }
  return { started, faults: () => faultsOfSession(http, session, started, texts) };
}

interface Timed {
  readonly ts: number;
  readonly data: { readonly kind: string };
}

async function faultsOfSession(
  http: Http,
  session: string,
  started: readonly Started[],
  texts: ReadonlyMap<string, string>,
): Promise<string[]> {
  const faults: string[] = [];
  const read = async (): Promise<Message[]> =>
    (await http('GET', `/v1/sessions/${session}/messages?limit=1000`)).json<{ messages: Message[] }>().messages;
  // The sweeper may have to settle what the dead left behind.
  await vi.waitFor(
    async () => expect(new Set((await read()).map(({ invocation }) => invocation)).size).toBe(started.length),
    patience,
  );
  const messages = await read();
  if (new Set(messages.map(({ message }) => message)).size < messages.length) faults.push(`${session}: ids twice`);
  const order = messages.map(({ invocation }) => invocation).filter((one, i, all) => one !== all[i - 1]);
  if (order.length !== started.length) faults.push(`${session}: the messages of a run are apart: ${order.join(' ')}`);
  let before = 0;
  let lastPlace = -1;
  for (const { invocation } of started) {
    const { state } = await recordOf(http, invocation);
    const mine = messages.filter((message) => message.invocation === invocation);
    const said = mine.map(({ role, content }) => [role, content]);
    const whole = [
      ['user', { text: texts.get(invocation), delayMs: expect.any(Number) }],
      ...(state === 'completed' ? [['assistant', texts.get(invocation)]] : []),
    ];
    expect(state === 'completed' ? said : said.slice(0, 1)).toEqual(whole);
    if (said.length > 2) faults.push(`${session}: ${invocation} has ${said.length} messages`);
    // Those that are interrupted leave in an order of their own.
    if (state !== 'completed') continue;
    const events = (await historyOf(http, invocation)) as unknown as Timed[];
    const begun = events.find(({ data }) => data.kind === 'started')!.ts;
    if (begun < before)
      faults.push(`${session}: ${invocation} began at ${begun}, before the end of another at ${before}`);
    before = events.at(-1)!.ts;
    const place = order.indexOf(invocation);
    if (place < lastPlace) faults.push(`${session}: ${invocation} is told of too early`);
    lastPlace = place;
  }
  return faults;
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
