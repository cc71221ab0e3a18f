import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';

import { claim } from '../../../shared/domain/runs/holding-claim.ts';
import type { Held } from '../../../shared/domain/runs/holding.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { wellKnown } from '../../../shared/protocol/well-known.ts';
import { isSystemWritten } from '../../../shared/topics/grammar.ts';
import { alice, Bench, got } from './runs-bench.ts';

let clock: ManualClock;
let bench: Bench;

async function open(options: { auth?: 'token' } = {}): Promise<void> {
  clock = new ManualClock();
  const engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 1e12, metaTtlMs: 1e12, clock });
  bench = new Bench(engine, { clock, ...options });
  await engine.start();
}
beforeEach(() => open());

async function hold(invocation: string): Promise<Held> {
  const parts = { engine: bench.engine, store: bench.parts.store, clock, maxEventBytes: 100_000 };
  const claimed = await got(claim(parts, 'w', invocation, new AbortController().signal, () => true));
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

describe('its progress', () => {
  test('is told once a second, the last word of each, and once more before the end', async () => {
    const invocation = await bench.start();
    const held = await hold(invocation);
    for (let percent = 0; percent < 25; percent += 1) {
      held.report({ percent, step: `step ${percent}` });
      clock.advance(100);
    }
    const ended = await got(held.end({ kind: 'completed', result: null }, { messages: [] }));
    await got(bench.parts.settling.settle(ended));
    clock.advance(5000);
    expect((await told(invocation)).slice(2)).toEqual([
      ...[0, 9, 19, 24].map((percent) => ['progress', { progress: percent, status: `step ${percent}` }]),
      ['completed', { result: null }],
    ]);
  });

  test('has a figure and a word, whatever was said', async () => {
    const held = await hold(await bench.start());
    for (const progress of [{ note: 'begins' }, { percent: 40 }, { step: 'second half' }]) {
      held.report(progress);
      clock.advance(1000);
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
    clock.advance(1000);
    expect((await told(invocation)).at(-1)).toEqual(['progress', { progress: 40, status: 'running' }]);
  });

  test('is not told by a worker that has lost the run, once the next one has spoken', async () => {
    const invocation = await bench.start();
    const lost = await hold(invocation);
    lost.report({ percent: 50 });
    const next = await hold(invocation);
    next.report({ percent: 1 });
    lost.report({ percent: 99 });
    clock.advance(1000);
    const heard = await bench.events(`task.${invocation}.progress`);
    expect(heard.map(({ progress }) => progress)).toEqual([50, 1]);
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
  clock.advance(60_000);
  expect(await told(held.run.invocation)).toEqual([['progress', { progress: 7, status: 'running' }]]);
});
