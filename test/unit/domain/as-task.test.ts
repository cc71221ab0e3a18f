import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { claim } from '../../../shared/domain/runs/holding-claim.ts';
import type { Held } from '../../../shared/domain/runs/holding.ts';
import { RunStore } from '../../../shared/domain/runs/run-store.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { wellKnown } from '../../../shared/protocol/well-known.ts';
import { isSystemWritten } from '../../../shared/topics/grammar.ts';
import { DisturbedStore } from '../../support/disturbed-store.ts';
import { alice, Bench, got, through } from './runs-bench.ts';

let clock: ManualClock;
let begun: number;
let bench: Bench;

async function open(options: { auth?: 'token' } = {}): Promise<void> {
  clock = new ManualClock();
  begun = clock.now();
  const engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 1e12, metaTtlMs: 1e12, clock });
  bench = new Bench(engine, { clock, ...options });
  await engine.start();
}
beforeEach(() => open());

async function hold(invocation: string, worker = 'w', engine = bench.engine): Promise<Held> {
  const store = new RunStore(engine, { historySize: 1000 });
  const parts = { engine, store, clock, maxEventBytes: 100_000 };
  const claimed = await got(claim(parts, worker, invocation, new AbortController().signal, () => true));
  if (claimed.is !== 'held') throw new Error(claimed.is);
  return claimed.held;
}

/** What was told of a run as a task, kind by kind, and without saying each time whose it is. */
async function told(invocation: string): Promise<[string, Record<string, unknown>][]> {
  const events: [string, Record<string, unknown>][] = [];
  for (const [kind, schema] of Object.entries(wellKnown.task)) {
    for (const data of await bench.events(`task.${invocation}.${kind}`)) {
      expect(schema.parse(data)).toEqual(data);
      const { taskId, agentId, ...rest } = data;
      expect([taskId, agentId]).toEqual([invocation, 'echo']);
      events.push([kind, rest]);
    }
  }
  return events;
}

describe('a run is a task', () => {
  test('from its start to its end', async () => {
    const invocation = await bench.start();
    const held = await hold(invocation);
    const ended = await got(held.end({ kind: 'completed', result: { all: 'well' } }, { messages: [] }));
    await got(bench.parts.settling.settle(ended));
    expect(await told(invocation)).toEqual([
      ['created', {}],
      ['assigned', { attempt: 1 }],
      ['completed', { result: { all: 'well' } }],
    ]);
  });

  test.each([
    [
      'failed',
      { kind: 'failed', error: { code: 'agent_failed', message: 'no luck' } },
      { code: 'agent_failed', message: 'no luck' },
    ],
    ['cancelled', { kind: 'cancelled', reason: 'enough' }, { code: 'cancelled', message: 'enough' }],
  ] as const)('that failed, where it %s', async (_, end, error) => {
    const invocation = await bench.start();
    if (end.kind === 'cancelled') await got(bench.runs.cancel(alice, invocation, end.reason));
    else await got(bench.parts.settling.settle(await got((await hold(invocation)).end(end, { messages: [] }))));
    expect((await told(invocation)).at(-1)).toEqual(['failed', { error }]);
    await bench.expectSettled(invocation);
  });

  test('whose result nobody learns from it, where clients are told apart', async () => {
    await open({ auth: 'token' });
    const [one, two, three] = [await bench.start(), await bench.start(), await bench.start()];
    const ends = {
      [one]: { kind: 'completed', result: 'secret' },
      [two]: { kind: 'failed', error: { code: 'x', message: 'secret' } },
    } as const;
    for (const [invocation, end] of Object.entries(ends))
      await got(bench.parts.settling.settle(await got((await hold(invocation)).end(end, { messages: [] }))));
    await got(bench.runs.cancel(alice, three, 'secret'));
    expect(await bench.taskEnds(one)).toEqual([{ taskId: one, agentId: 'echo' }]);
    expect(await bench.taskEnds(two)).toMatchObject([{ error: { code: 'x', message: 'x' } }]);
    expect(await bench.taskEnds(three)).toMatchObject([{ error: { code: 'cancelled', message: 'cancelled' } }]);
  });

  test('that is the system’s to write, whether or not its start had a key', async () => {
    for (const asked of [{}, { key: 'k' }]) {
      const invocation = await bench.start(asked);
      expect(isSystemWritten(`task.${invocation}.completed`)).toBe(true);
      expect(invocation).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    }
  });
});

/** The figures that were told, each with the time since the start of the test at which the store took it. */
async function figures(invocation: string): Promise<[figure: unknown, ms: number][]> {
  const { events } = await got(bench.engine.log.read(`task.${invocation}.progress`, { limit: 1000 }));
  return events.map(({ body, ts }) => [(JSON.parse(body) as { data: { progress: number } }).data.progress, ts - begun]);
}

/** Time goes on, and whatever is due in it reaches the store. */
async function pass(ms: number): Promise<void> {
  const end = clock.now() + ms;
  while (clock.now() < end) {
    clock.advance(Math.min(10, end - clock.now()));
    for (let turns = 0; turns < 4; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

const completed = { kind: 'completed', result: null } as const;
const passing = { code: 'busy', message: 'later' };

describe('its progress', () => {
  test('is told once a second, the last word of each, and the end has the last figure', async () => {
    const invocation = await bench.start();
    const held = await hold(invocation);
    for (let percent = 0; percent < 25; percent += 1) {
      held.report({ percent, step: `step ${percent}` });
      await pass(100);
    }
    const ended = await got(held.end(completed, { messages: [] }));
    await got(bench.parts.settling.settle(ended));
    await pass(5000);
    expect((await told(invocation)).slice(2)).toEqual([
      ...[10, 20].map((percent) => ['progress', { progress: percent, status: `step ${percent}` }]),
      ['completed', { progress: 24, result: null }],
    ]);
    expect(ended.progress).toEqual({ percent: 24, step: 'step 24' });
  });

  test('is told with the end of a run that was too short for more, in its commit', async () => {
    const invocation = await bench.start();
    const held = await hold(invocation);
    held.report({ percent: 20 });
    held.report({ percent: 80 });
    await got(held.end({ kind: 'failed', error: passing }, { messages: [] }));
    expect((await told(invocation)).slice(2)).toEqual([
      ['progress', { progress: 80, status: 'running' }],
      ['failed', { progress: 80, error: passing }],
    ]);
  });

  test('comes no closer where the run is begun again and again', async () => {
    const invocation = await bench.start();
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const held = await hold(invocation);
      held.report({ percent: attempt });
      await pass(100);
      await got(attempt % 2 ? held.tryAgain(passing, { messages: [] }) : held.handBack());
    }
    const last = await hold(invocation);
    last.report({ percent: 60 });
    await pass(950);
    last.report({ percent: 70 });
    await pass(100);
    last.report({ percent: 99 });
    await got(last.end(completed, { messages: [] }));
    expect(await figures(invocation)).toEqual([
      [1, 100],
      [70, 1510],
    ]);
    expect(await bench.taskEnds(invocation)).toMatchObject([{ progress: 99 }]);
  });

  test('comes no closer where other workers take the run over, and those that lost it say nothing any more', async () => {
    const invocation = await bench.start();
    const lost = await hold(invocation);
    lost.report({ percent: 50 });
    await pass(1010);
    lost.report({ percent: 90 });
    await pass(900);
    const next = await hold(invocation, 'x');
    next.report({ percent: 1 });
    await pass(2000);
    expect(await figures(invocation)).toEqual([
      [50, 1010],
      [1, 2920],
    ]);
    expect(lost.gone).toBe(true);
  });

  test('goes on being told in a pause, the last word before it', async () => {
    const invocation = await bench.start();
    const held = await hold(invocation);
    held.report({ percent: 10 });
    await pass(1010);
    held.report({ percent: 20 });
    await got(bench.runs.pause(alice, invocation));
    await held.look();
    expect((await got(held.holdStill())).state).toBe('paused');
    await pass(10_000);
    await got(held.handBack());
    expect(await figures(invocation)).toEqual([
      [10, 1010],
      [20, 2020],
    ]);
  });

  test('is spaced by the store’s answers: one that is slow does not bring two together', async () => {
    const { engine } = bench;
    let answer = (): void => {};
    const slow = new Promise<void>((resolve) => (answer = resolve));
    const commit: Engine['records']['commit'] = async (home, change) => {
      if (change.append?.some(({ topic }) => topic.endsWith('.progress'))) await slow;
      return engine.records.commit(home, change);
    };
    const store = through(engine, { records: { commit } });
    const invocation = await bench.start();
    const held = await hold(invocation, 'w', store);
    for (let percent = 0; percent < 50; percent += 1) {
      held.report({ percent });
      if (percent === 19) answer();
      await pass(100);
    }
    // The first was asked for at 1010, and taken at 1910.
    expect(await figures(invocation)).toEqual([
      [10, 1910],
      [29, 2920],
      [39, 3930],
      [49, 4940],
    ]);
  });

  test('is told once where the answer of the store was lost', async () => {
    const disturbed = new DisturbedStore();
    const store = through(bench.engine, { records: disturbed.around(bench.engine).records });
    const invocation = await bench.start();
    const held = await hold(invocation, 'w', store);
    held.report({ percent: 5 });
    await pass(950);
    disturbed.mood = 'mute';
    await pass(200);
    disturbed.mood = 'fine';
    await pass(3000);
    expect(await figures(invocation)).toEqual([[5, 1010]]);
    expect((await got(bench.parts.store.load(invocation))).run.progress).toEqual({ percent: 5 });
  });

  test('has a figure and a word, whatever was said', async () => {
    const held = await hold(await bench.start());
    for (const progress of [{ note: 'begins' }, { percent: 40 }, { step: 'second half' }]) {
      held.report(progress);
      await pass(1100);
    }
    expect((await told(held.run.invocation)).slice(2)).toEqual([
      ['progress', { progress: 0, status: 'running' }],
      ['progress', { progress: 40, status: 'running' }],
      ['progress', { progress: 40, status: 'second half' }],
    ]);
  });

  test('is a figure only, where clients are told apart', async () => {
    await open({ auth: 'token' });
    const invocation = await bench.start();
    (await hold(invocation)).report({ percent: 40, step: 'reading mail of Ann' });
    await pass(1010);
    expect((await told(invocation)).at(-1)).toEqual(['progress', { progress: 40, status: 'running' }]);
  });
});

test('an attempt more is told as one more assignment, the other steps are not told', async () => {
  const invocation = await bench.start();
  const first = await hold(invocation);
  await got(bench.runs.pause(alice, invocation));
  await first.look();
  await got(first.holdStill());
  await got(bench.runs.resume(alice, invocation));
  await first.look();
  await got(first.goOn());
  await got(first.handBack());
  await hold(invocation);
  expect(await told(invocation)).toEqual([
    ['created', {}],
    ['assigned', { attempt: 1 }],
    ['assigned', { attempt: 2 }],
  ]);
});

test('progress goes on being kept when the history of its topic is too old', async () => {
  clock = new ManualClock();
  const engine = createMemoryEngine({ historySize: 10, historyTtlMs: 1000, metaTtlMs: 1e9, clock });
  bench = new Bench(engine, { clock });
  const held = await hold(await bench.start());
  held.report({ percent: 7 });
  await pass(60_000);
  expect(await told(held.run.invocation)).toEqual([['progress', { progress: 7, status: 'running' }]]);
});
