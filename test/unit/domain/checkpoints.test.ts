import { beforeEach, describe, expect, test, vi } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import type { Checkpoints } from '../../../shared/domain/checkpoints/checkpoints.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { KeepingOptions } from '../../../shared/domain/runs/parts.ts';
import { alice, Bench, bob, codeOf, got, root } from './runs-bench.ts';

let clock: ManualClock;
let bench: Bench;
let checkpoints: Checkpoints;

async function reset(kept: Partial<KeepingOptions> = {}): Promise<void> {
  clock = new ManualClock();
  bench = new Bench(createMemoryEngine({ historySize: 1000, historyTtlMs: 1e9, metaTtlMs: 1e9, clock }), {
    clock,
    keeping: kept,
  });
  ({ checkpoints } = bench.parts);
  await got(bench.parts.sessions.create(alice, { session: 's' }));
}
beforeEach(() => reset());

const told = (): Promise<Record<string, unknown>[]> => bench.events('session.s.checkpoints');
const make = async (label: string, state?: unknown, tags: string[] = []): Promise<string> =>
  (await got(checkpoints.create(alice, { session: 's', label, state, tags }))).checkpoint;
const say = (content: string): Promise<unknown> => got(bench.parts.sessions.say('s', { role: 'user', content }));
const texts = async (): Promise<unknown[]> => (await bench.messages('s')).map(([, content]) => content);
async function labels(asked: { tag?: string; limit?: number; cursor?: string } = {}): Promise<unknown[]> {
  const page = await got(checkpoints.list(alice, { session: 's', limit: 100, ...asked }));
  return page.checkpoints.map(({ label }) => label);
}

describe('a checkpoint', () => {
  test('is found again by its id, by whom its session belongs to, and told of', async () => {
    const made = await got(
      checkpoints.create(alice, { session: 's', label: 'l', state: { n: 1 }, tags: ['t', 'u', 't'] }),
    );
    const { checkpoint } = made;
    const createdAt = clock.now();
    expect(made).toEqual({ checkpoint, session: 's', label: 'l', tags: ['t', 'u'], state: { n: 1 }, createdAt });
    for (const who of [alice, root]) expect(await got(checkpoints.get(who, checkpoint))).toEqual(made);
    expect(await got(checkpoints.forAgents().get(checkpoint))).toEqual(made);
    expect(await told()).toEqual([
      { kind: 'created', checkpoint, session: 's', label: 'l', tags: ['t', 'u'], createdAt },
    ]);
  });

  test('has the session’s state where it is given none, null where it is given that, and changes neither', async () => {
    await got(bench.parts.sessions.update(alice, { session: 's', state: { n: 1 } }));
    expect(await got(checkpoints.create(alice, { session: 's' }))).toMatchObject({ state: { n: 1 }, tags: [] });
    expect(await got(checkpoints.create(alice, { session: 's', state: null }))).toMatchObject({ state: null });
    expect(await got(bench.parts.sessions.get(alice, 's'))).toMatchObject({ state: { n: 1 }, rev: 2 });
  });

  test('is nothing to others', async () => {
    const [one, two] = [await make('a'), await make('b')];
    for (const asked of [
      checkpoints.create(bob, { session: 's' }),
      checkpoints.get(bob, one),
      checkpoints.list(bob, { session: 's', limit: 1 }),
      checkpoints.restore(bob, one),
      checkpoints.diff(bob, one, two),
      checkpoints.delete(bob, one),
    ]) {
      expect(await codeOf(asked)).toBe('not_found');
    }
    expect(await labels()).toEqual(['b', 'a']);
    expect(await told()).toHaveLength(2);
  });

  test('is refused whole where anything about it is: nothing is written', async () => {
    const refused = (asked: object): Promise<string> => codeOf(checkpoints.create(alice, { session: 's', ...asked }));
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    for (const state of [circular, { f: () => 1 }, new Date(), 1n, NaN]) {
      expect(await refused({ state })).toBe('bad_request');
    }
    expect(await refused({ state: 'é'.repeat(50_000) })).toBe('payload_too_large');
    expect(await refused({ state: 'e'.repeat(99_998) })).toBe('ok');
    expect(await refused({ tags: Array.from({ length: 65 }, (_, i) => `${i}`) })).toBe('bad_request');
    for (const tags of [[''], ['x'.repeat(129)], [1], 'tag']) expect(await refused({ tags })).toBe('bad_request');
    for (const label of ['x'.repeat(1025), 1n]) expect(await refused({ label })).toBe('bad_request');
    expect(await refused({ session: 'none' })).toBe('not_found');
    expect(await codeOf(checkpoints.forAgents().create('s', { state: circular }))).toBe('bad_request');
    for (const id of ['none', '__proto__', '', '../s']) {
      expect(await codeOf(checkpoints.get(alice, id))).toBe('not_found');
      expect(await codeOf(checkpoints.restore(alice, id))).toBe('not_found');
      expect(await codeOf(checkpoints.delete(alice, id))).toBe('not_found');
    }
    expect(await told()).toHaveLength(1);
    expect(await labels()).toHaveLength(1);
  });

  test('that is deleted is gone from every list, and is told of', async () => {
    const [one, two] = [await make('a', 1, ['t', 'u']), await make('b', 2, ['t'])];
    await got(checkpoints.delete(alice, one));
    expect(await labels()).toEqual(['b']);
    expect(await labels({ tag: 't' })).toEqual(['b']);
    expect(await labels({ tag: 'u' })).toEqual([]);
    for (const asked of [
      checkpoints.get(alice, one),
      checkpoints.restore(alice, one),
      checkpoints.delete(alice, one),
    ]) {
      expect(await codeOf(asked)).toBe('not_found');
    }
    expect((await told()).at(-1)).toEqual({
      kind: 'deleted',
      checkpoint: one,
      session: 's',
      label: 'a',
      tags: ['t', 'u'],
      at: clock.now(),
    });
    const home = await got(bench.engine.records.read('session.s', [`checkpoint.${one}`, `state.${one}`]));
    const pointers = await got(bench.engine.records.read(`checkpoint.${one}`, ['session']));
    expect([...home, ...pointers]).toEqual([undefined, undefined, undefined]);
    expect(await codeOf(checkpoints.get(alice, two))).toBe('ok');
  });
});

describe('the list', () => {
  test('is newest first in the order of making, however many share a millisecond, page by page', async () => {
    const all = Array.from({ length: 130 }, (_, i) => `${i}`);
    for (const label of all) await make(label, null, Number(label) % 3 === 0 ? ['third'] : []);
    for (const tag of [undefined, 'third']) {
      const seen: unknown[] = [];
      let cursor: string | undefined;
      do {
        const asked = { session: 's', limit: 60, ...(tag ? { tag } : {}), ...(cursor ? { cursor } : {}) };
        const page = await got(checkpoints.list(alice, asked));
        seen.push(...page.checkpoints.map(({ label }) => label));
        ({ cursor } = page);
      } while (cursor);
      expect(seen).toEqual(all.filter((label) => !tag || Number(label) % 3 === 0).toReversed());
    }
    expect(await labels({ tag: 'none' })).toEqual([]);
    expect(await codeOf(checkpoints.list(alice, { session: 's', limit: 1, cursor: 'x' }))).toBe('bad_request');
  });

  test('ends a page early where it is long, and goes on behind it', async () => {
    await reset({ maxFrameBytes: 1_000_000 });
    for (const label of ['a', 'b', 'c', 'd', 'e']) await make(label, 'x'.repeat(400_000));
    const page = await got(checkpoints.list(alice, { session: 's', limit: 5 }));
    expect(page.checkpoints.map(({ label }) => label)).toEqual(['e', 'd', 'c']);
    expect(await labels({ cursor: page.cursor! })).toEqual(['b', 'a']);
  });

  test('is had without the states as well: none is read, and none counts towards the page', async () => {
    await reset({ maxFrameBytes: 1_000_000 });
    for (const label of ['a', 'b', 'c', 'd', 'e']) await make(label, 'x'.repeat(400_000));
    const read = vi.spyOn(bench.engine.records, 'read');
    const page = await got(checkpoints.list(alice, { session: 's', limit: 5, stateless: true }));
    expect(page.checkpoints.map(({ label, state }) => [label, state])).toEqual(
      ['e', 'd', 'c', 'b', 'a'].map((label) => [label, undefined]),
    );
    expect(read.mock.calls.flatMap(([, keys]) => keys).filter((key) => key.startsWith('state.'))).toEqual([]);
    read.mockRestore();
  });
});

describe('a restore', () => {
  test('brings the state and the messages back, and keeps what was there', async () => {
    const { sessions } = bench.parts;
    await say('one');
    await got(sessions.update(alice, { session: 's', state: { n: 1 } }));
    const early = await make('early');
    await say('two');
    clock.advance(5);
    await got(sessions.update(alice, { session: 's', state: { n: 2 }, name: 'renamed' }));
    const { session, checkpoint: auto } = await got(checkpoints.restore(alice, early));
    expect(session).toMatchObject({ state: { n: 1 }, name: 'renamed', rev: 4, updatedAt: clock.now() });
    expect(await got(sessions.get(alice, 's'))).toEqual(session);
    expect(auto).toMatchObject({ label: 'before restore', tags: ['auto'], state: { n: 2 } });
    expect(await texts()).toEqual(['one']);
    const createdAt = clock.now();
    expect((await told()).slice(1)).toEqual([
      {
        kind: 'created',
        checkpoint: auto.checkpoint,
        session: 's',
        label: 'before restore',
        tags: ['auto'],
        createdAt,
      },
      { kind: 'restored', checkpoint: early, session: 's', label: 'early', tags: [], at: createdAt },
    ]);
    await say('three');
    expect(await texts()).toEqual(['one', 'three']);
    await got(checkpoints.restore(alice, auto.checkpoint));
    expect(await texts()).toEqual(['one', 'two']);
    expect(await got(sessions.stateOf('s'))).toEqual({ n: 2 });
    await got(checkpoints.restore(alice, early));
    expect(await texts()).toEqual(['one']);
    expect(await labels({ tag: 'auto' })).toEqual(['before restore', 'before restore', 'before restore']);
  });

  test('is done to one checkpoint as often as one likes, and is refused where the messages are in too many pieces', async () => {
    await reset({ checkpointsPerSession: 10_000 });
    const still = await make('still');
    for (let i = 0; i < 600; i++) {
      await say('x');
      await got(checkpoints.restore(alice, still));
    }
    let code = 'ok';
    let times = 0;
    for (; code === 'ok'; times++) {
      await say('kept');
      const here = await make('here');
      await say('passed over');
      code = await codeOf(checkpoints.restore(alice, here));
    }
    expect([code, times]).toEqual(['conflict', 500]);
    const kept = await texts();
    expect(kept).toEqual([...Array.from({ length: 500 }, () => 'kept'), 'passed over']);
    await got(checkpoints.restore(alice, still));
    expect(await texts()).toEqual([]);
  }, 60_000);
});

describe('what is kept', () => {
  test('are so many of a session; the oldest goes in the commit that brings one more', async () => {
    await reset({ checkpointsPerSession: 3 });
    const ids: string[] = [];
    for (const label of ['a', 'b', 'c', 'd', 'e']) ids.push(await make(label, null, ['t']));
    expect(await labels()).toEqual(['e', 'd', 'c']);
    expect(await labels({ tag: 't' })).toEqual(['e', 'd', 'c']);
    expect((await told()).map(({ kind, label }) => `${kind as string} ${label as string}`)).toEqual([
      'created a',
      'created b',
      'created c',
      'deleted a',
      'created d',
      'deleted b',
      'created e',
    ]);
    expect(await codeOf(checkpoints.get(alice, ids[0]!))).toBe('not_found');
    // The one that is restored does not make room for the automatic one.
    await got(checkpoints.restore(alice, ids[2]!));
    expect(await labels()).toEqual(['before restore', 'e', 'c']);
    await got(checkpoints.delete(alice, ids[4]!));
    await make('f');
    expect(await labels()).toEqual(['f', 'before restore', 'c']);
  });

  test('are a few fewer with each one more, where the bound was lowered', async () => {
    for (let i = 0; i < 30; i++) await make(`${i}`);
    const narrow = new Bench(bench.engine, { clock, keeping: { checkpointsPerSession: 5 } });
    const counts: number[] = [];
    for (let i = 0; i < 6; i++) {
      await got(narrow.parts.checkpoints.create(alice, { session: 's', label: 'new' }));
      counts.push((await labels()).length);
    }
    expect(counts).toEqual([23, 16, 9, 5, 5, 5]);
  });

  test('is nothing over-age', async () => {
    const old = await make('old', 1, ['t']);
    clock.advance(400_000);
    const young = await make('young', 2, ['t']);
    clock.advance(200_000);
    for (const asked of [
      checkpoints.get(alice, old),
      checkpoints.diff(alice, old, young),
      checkpoints.restore(alice, old),
      checkpoints.delete(alice, old),
    ]) {
      expect(await codeOf(asked)).toBe('not_found');
    }
    expect(await labels()).toEqual(['young']);
    expect(await labels({ tag: 't' })).toEqual(['young']);
    await make('new');
    expect((await told()).map(({ kind, label }) => `${kind as string} ${label as string}`)).toEqual([
      'created old',
      'created young',
      'deleted old',
      'created new',
    ]);
    clock.advance(400_000);
    await make('newer');
    expect((await got(bench.engine.records.page('session.s', 'checkpoints', { limit: 9 }))).keys).toHaveLength(2);
  });
});
