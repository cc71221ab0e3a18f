import { beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { alice, Bench, codeOf, got } from './runs-bench.ts';

let clock: ManualClock;
let bench: Bench;

beforeEach(async () => {
  clock = new ManualClock();
  bench = new Bench(createMemoryEngine({ historySize: 1000, historyTtlMs: 600_000, metaTtlMs: 600_000, clock }), {
    clock,
  });
  await got(bench.parts.sessions.create(alice, { session: 's' }));
});

test('a checkpoint is found again by its id, and told of in its session', async () => {
  const { checkpoints } = bench.parts;
  await bench.work(await bench.start({ session: 's' }));
  const made = await got(checkpoints.create('s', { label: 'l', state: { n: 1 }, tags: ['t'] }));
  const { checkpoint } = made;
  expect(made).toEqual({
    checkpoint,
    session: 's',
    label: 'l',
    tags: ['t'],
    state: { n: 1 },
    createdAt: clock.now(),
  });
  expect(await got(checkpoints.get(checkpoint))).toEqual(made);
  expect(await bench.events('session.s.checkpoints')).toEqual([
    { kind: 'created', checkpoint, label: 'l', tags: ['t'], createdAt: clock.now() },
  ]);
  // Where it stands among the messages: for whoever comes back to it.
  const read = await got(bench.engine.records.read('session.s', [`checkpoint.${checkpoint}`]));
  expect(JSON.parse(read[0]!.value)).toMatchObject({ messages: 2 });
  expect(await got(bench.engine.records.page('session.s', 'checkpoints', { limit: 5 }))).toEqual({
    keys: [checkpoint],
  });
});

test('has the state of the session where it is given none, and null where it is given that', async () => {
  const { checkpoints } = bench.parts;
  expect(await got(checkpoints.create('s'))).toMatchObject({ state: null, tags: [] });
  expect(await got(checkpoints.create('s', { state: null }))).toMatchObject({ state: null });
});

test('there is none of a session that there is not, none of what is not plain, and none by an unknown id', async () => {
  const { checkpoints } = bench.parts;
  expect(await codeOf(checkpoints.create('none'))).toBe('not_found');
  expect(await codeOf(checkpoints.create('s', { state: { f: () => 1 } }))).toBe('bad_request');
  expect(await codeOf(checkpoints.create('s', { label: 1n as never }))).toBe('bad_request');
  for (const id of ['none', '__proto__', '']) expect(await codeOf(checkpoints.get(id))).toBe('not_found');
  expect(await bench.events('session.s.checkpoints')).toEqual([]);
});
