import { beforeEach, expect, test } from 'vitest';
import { Line } from '../../../shared/domain/runs/line.ts';
import type { WhenBusy } from '../../../shared/domain/runs/line.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { alice, Bench, got } from './runs-bench.ts';

let engine: Engine;
let line: Line;

beforeEach(async () => {
  engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 600_000, metaTtlMs: 600_000 });
  line = new Line(engine);
  await got(new Bench(engine).parts.sessions.create(alice, { session: 's' }));
});

async function enter(invocation: string, whenBusy: WhenBusy = 'enqueue'): Promise<string[]> {
  const entered = await got(line.enter('s', { invocation, agent: 'a', at: 1 }, 1, whenBusy));
  return entered.interrupted.map((one) => one.invocation);
}

const left = { thread: undefined, messages: [], state: 'completed' } as const;

const inLine = async (): Promise<string[]> => (await got(line.of('s'))).map(({ invocation }) => invocation);
const told = async (): Promise<number> => (await got(engine.log.read('session.s.runs', { limit: 100 }))).events.length;

test('a run that stands in it already stays where it is, and interrupts those before it only', async () => {
  await enter('a');
  expect(await enter('b', 'interrupt')).toEqual(['a']);
  await enter('c');
  expect(await enter('b', 'interrupt')).toEqual(['a']);
  expect(await enter('b', 'reject')).toEqual([]);
  expect(await inLine()).toEqual(['a', 'b', 'c']);
  expect(await told()).toBe(3);
});

test('a turn comes when the first one leaves, and only then', async () => {
  for (const invocation of ['a', 'b', 'c']) await enter(invocation);
  expect(await got(line.leave('s', 'b', left))).toEqual({});
  expect(await got(line.leave('s', 'a', left))).toMatchObject({ next: { invocation: 'c' } });
  expect(await got(line.leave('s', 'c', left))).toEqual({});
  expect(await got(line.leave('s', 'c', left))).toEqual({});
  expect(await told()).toBe(6);
});

test('whoever has left it does not come back', async () => {
  await enter('a');
  await got(line.leave('s', 'a', left));
  expect(await enter('a')).toEqual([]);
  expect(await inLine()).toEqual([]);
  expect(await told()).toBe(2);
});

test('one that never came to be leaves nothing, and may come again', async () => {
  await enter('a');
  await enter('b');
  expect(await got(line.leave('s', 'a'))).toMatchObject({ next: { invocation: 'b' } });
  expect((await got(engine.records.page('session.s', 'runs', { limit: 5 }))).keys).toEqual(['b']);
  await enter('a');
  expect(await inLine()).toEqual(['b', 'a']);
});
