import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail } from '../../../shared/base/errors.ts';
import { claim } from '../../../shared/domain/runs/holding-claim.ts';
import type { Held } from '../../../shared/domain/runs/holding.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Append } from '../../../shared/engine/engine.ts';
import { wellKnown } from '../../../shared/protocol/well-known.ts';
import { isSystemWritten } from '../../../shared/topics/grammar.ts';
import { alice, Bench, codeOf, got, through } from './runs-bench.ts';

let clock: ManualClock;
let bench: Bench;
let appended: Append[];
let away: (event: Append) => boolean;

async function open(options: { auth?: 'token' } = {}): Promise<void> {
  clock = new ManualClock();
  appended = [];
  away = () => false;
  const engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 1e12, metaTtlMs: 1e12, clock });
  const append = (event: Append): ReturnType<typeof engine.log.append> => {
    if (away(event)) return Promise.resolve(fail('unavailable'));
    appended.push(event);
    return engine.log.append(event);
  };
  bench = new Bench(through(engine, { append }), { clock, ...options });
  await engine.start();
}
beforeEach(() => open());

async function hold(invocation: string): Promise<Held> {
  const parts = { engine: bench.engine, store: bench.parts.store, clock, maxEventBytes: 100_000 };
  const claimed = await got(claim(parts, 'w', invocation, new AbortController().signal, () => true));
  if (claimed.is !== 'held') throw new Error(claimed.is);
  return claimed.held;
}

/** The kinds of a task's events and what they tell besides whose they are, as they were appended. */
function told(invocation: string): [string, Record<string, unknown>][] {
  return appended
    .filter(({ topic }) => topic.startsWith('task.'))
    .map(({ topic, body }) => {
      const kind = topic.split('.')[2]!;
      const { data } = JSON.parse(body) as { data: Record<string, unknown> };
      expect(wellKnown.task[kind as keyof typeof wellKnown.task].parse(data)).toEqual(data);
      const { taskId, agentId, ...rest } = data;
      expect([topic, taskId, agentId]).toEqual([`task.${invocation}.${kind}`, invocation, 'echo']);
      return [kind, rest];
    });
}

describe('a run is a task', () => {
  test('from its start to its end', async () => {
    const invocation = await bench.start();
    const held = await hold(invocation);
    const ended = await got(held.end({ kind: 'completed', result: { all: 'well' } }, { messages: [] }));
    await got(bench.parts.settling.settle(ended));
    expect(told(invocation)).toEqual([
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
    expect(told(invocation).at(-1)).toEqual(['failed', { error }]);
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
    const bodies = appended.filter(({ topic }) => topic.startsWith('task.')).map(({ body }) => body);
    expect(bodies.join()).not.toContain('secret');
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
    expect(told(invocation).slice(2)).toEqual([
      ...[0, 9, 19, 24].map((percent) => ['progress', { progress: percent, status: `step ${percent}` }]),
      ['completed', { result: null }],
    ]);
    const progress = appended.filter(({ topic }) => topic.endsWith('.progress'));
    expect(progress.every(({ retain }) => retain)).toBe(true);
  });

  test('has a figure and a word, whatever was said', async () => {
    const held = await hold(await bench.start());
    for (const progress of [{ note: 'begins' }, { percent: 40 }, { step: 'second half' }]) {
      held.report(progress);
      clock.advance(1000);
    }
    expect(told(held.run.invocation).slice(2)).toEqual([
      ['progress', { progress: 0, status: 'running' }],
      ['progress', { progress: 40, status: 'running' }],
      ['progress', { progress: 40, status: 'second half' }],
    ]);
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

describe('its end', () => {
  test('is told once, however often it is settled', async () => {
    const invocation = await bench.start();
    await bench.claim(invocation);
    const ended = await bench.end(invocation);
    const settled = Array.from({ length: 5 }, () => codeOf(bench.parts.settling.settle(ended)));
    expect(await Promise.all(settled)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    await bench.expectSettled(invocation);
  });

  test('is owed until the store has it: the run stays among those that are open', async () => {
    const invocation = await bench.start();
    await bench.claim(invocation);
    const ended = await bench.end(invocation);
    away = ({ topic }) => topic.startsWith('task.');
    expect(await codeOf(bench.parts.settling.settle(ended))).toBe('unavailable');
    expect(await bench.open()).toEqual([invocation]);
    away = () => false;
    await got(bench.parts.settling.settle(ended));
    await bench.expectSettled(invocation);
  });

  test('is all that waits for the store: a run begins where its task cannot be told of', async () => {
    away = ({ topic }) => topic.startsWith('task.');
    const held = await hold(await bench.start());
    held.report({ percent: 1 });
    expect(await codeOf(held.end({ kind: 'completed', result: 1 }, { messages: [] }))).toBe('ok');
  });
});
