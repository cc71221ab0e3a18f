import { beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { Line } from '../../../shared/domain/runs/line.ts';
import { RunIndex } from '../../../shared/domain/runs/run-index.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Engine, Records } from '../../../shared/engine/engine.ts';
import { alice, Bench, codeOf, got } from './runs-bench.ts';

const dayMs = 24 * 60 * 60 * 1000;
let clock: ManualClock;
let engine: Engine;
let line: Line;
let index: RunIndex;

beforeEach(() => {
  clock = new ManualClock();
  engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 600_000, metaTtlMs: 600_000, clock });
  line = new Line(engine);
  index = new RunIndex(engine, line, clock);
});

const entry = { owner: 'o', session: 's' };
const lists = ['all', 'owner:o', 'open', 'open:o'];

async function listed(): Promise<string[]> {
  const found: string[] = [];
  for (const list of lists) {
    if ((await got(engine.records.page('runs', list, { limit: 5 }))).keys.length > 0) found.push(list);
  }
  return found;
}

test('a run is in all lists from the moment that it is listed, and in none when it was taken back', async () => {
  const { rev } = await got(index.opened('i', entry, 1, 0));
  expect(await listed()).toEqual(lists);
  await got(index.takeBack('i', entry, rev));
  expect(await listed()).toEqual([]);
  expect(await got(index.opened('i', entry, 1, 0))).toEqual({ rev: 1 });
});

test('what two start at once neither of them takes back', async () => {
  const [one, two] = [await got(index.opened('i', entry, 1, 0)), await got(index.opened('i', entry, 1, 0))];
  expect([one.rev, two.rev]).toEqual([1, 2]);
  await index.takeBack('i', entry, one.rev);
  await index.takeBack('i', entry, two.rev);
  expect(await listed()).toEqual(lists);
});

test('one run is not started in two sessions at once', async () => {
  await got(index.opened('i', entry, 1, 0));
  expect(await codeOf(index.opened('i', { owner: 'o', session: 't' }, 1, 0))).toBe('busy');
  expect(await codeOf(index.opened('i', { owner: 'o' }, 1, 0))).toBe('busy');
});

test('a run that has ended is open no more, and nothing of its entry is kept', async () => {
  const bench = new Bench(engine);
  const run = await bench.start();
  await bench.work(run);
  expect(await got(index.openRuns(undefined, 5))).toEqual({ invocations: [] });
  expect(await got(engine.records.read('runs', [`open.${run}`]))).toEqual([undefined]);
  expect((await got(engine.records.page('runs', `open:${alice.id}`, { limit: 5 }))).keys).toEqual([]);
  expect((await got(engine.records.page('runs', `owner:${alice.id}`, { limit: 5 }))).keys).toEqual([run]);
});

test('runs that are no longer kept leave the lists, and are not looked for before the oldest is due', async () => {
  const bench = new Bench(engine);
  const { run } = await got(bench.parts.store.load(await bench.start()));
  let looks = 0;
  const records: Records = {
    read: (...args) => engine.records.read(...args),
    commit: (...args) => engine.records.commit(...args),
    page: (home, list, range) => {
      if (list === 'ended') looks++;
      return engine.records.page(home, list, range);
    },
  };
  const watched = new RunIndex({ records }, line, clock);
  const ends = async (name: string): Promise<void> => {
    for (let i = 0; i < 128; i++) {
      const { session: _, ...ended } = { ...run, invocation: `${name}-${i}`, owner: 'o', endedAt: clock.now() };
      await got(watched.opened(ended.invocation, { owner: 'o' }, clock.now(), 0));
      await got(watched.closed(ended));
    }
  };
  const kept = async (): Promise<string[]> => {
    const { keys } = await got(watched.newest('o', { limit: 1000 }));
    return [...new Set(keys.map((key) => key.replace(/-.*/, '')))];
  };
  await ends('first');
  expect(looks).toBe(1);
  clock.advance(dayMs);
  await ends('second');
  expect([looks, await kept()]).toEqual([1, ['second', 'first']]);
  clock.advance(1);
  await ends('third');
  expect([looks, await kept()]).toEqual([2, ['third', 'second']]);
});

test('what was never written is dropped from every list and from the line', async () => {
  await got(index.opened('i', entry, 1, 0));
  await got(new Bench(engine).parts.sessions.create(alice, { session: 's' }));
  await got(line.enter('s', { invocation: 'i', agent: 'a', at: 1 }, 1, 'enqueue'));
  expect(await got(index.headOf('s'))).toBe('i');
  for (let twice = 0; twice < 2; twice++) await got(index.drop('i', () => Promise.resolve(true)));
  expect(await got(index.headOf('s'))).toBeUndefined();
  expect(await listed()).toEqual([]);
  expect((await got(engine.records.page('session.s', 'runs', { limit: 5 }))).keys).toEqual([]);
});
