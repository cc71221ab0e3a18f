import jsonPatch from 'fast-json-patch';
import type { Operation } from 'fast-json-patch';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { changesBetween } from '../../../shared/domain/checkpoints/diff.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { alice, Bench, codeOf, got } from './runs-bench.ts';

const bytes = (value: unknown): number => JSON.stringify(value).length;

/** Within an object, so that a change of the whole is a change within it. */
function patched(from: unknown, changes: readonly object[]): unknown {
  const whole = { s: structuredClone(from) };
  const moved = (changes as Operation[]).map((one) => ({ ...one, path: `/s${one.path}` }) as Operation);
  return jsonPatch.applyPatch(whole, moved, true).newDocument.s;
}

test('the changes make the one state out of the other', () => {
  // A key of this name is refused before a state is kept.
  const kept = (value: unknown): boolean => !JSON.stringify(value).includes('__proto__');
  const state = fc.jsonValue({ maxDepth: 4, noUnicodeString: false }).filter(kept);
  fc.assert(
    fc.property(state, state, (from, to) => {
      const [old, young] = [from, to].map((value) => JSON.parse(JSON.stringify(value)) as unknown);
      expect(patched(old, changesBetween(old, young, bytes(young)))).toEqual(young);
    }),
    { numRuns: 500 },
  );
});

test('states of every kind are compared', () => {
  const diff = (from: unknown, to: unknown): unknown => changesBetween(from, to, bytes(to));
  expect(diff({ a: 1 }, { a: 1 })).toEqual([]);
  expect(diff(null, null)).toEqual([]);
  expect(diff({ a: 1, b: 2 }, { a: 3, c: 4 })).toEqual(
    expect.arrayContaining([
      { op: 'replace', path: '/a', value: 3 },
      { op: 'remove', path: '/b' },
      { op: 'add', path: '/c', value: 4 },
    ]),
  );
  expect(diff([1, 2], [1])).toEqual([{ op: 'remove', path: '/1' }]);
  expect(diff({ 'a/b~': 1 }, { 'a/b~': 2 })).toEqual([{ op: 'replace', path: '/a~1b~0', value: 2 }]);
  for (const [from, to] of [
    [null, { a: 1 }],
    [{ a: 1 }, null],
    ['x', 'y'],
    [[1], { 0: 1 }],
  ]) {
    expect(diff(from, to)).toEqual([{ op: 'replace', path: '', value: to }]);
  }
});

test('the changes are never much longer than what they lead to', () => {
  // Each of so many changes would repeat the long key.
  const state = (value: number): unknown => ({ ['k'.repeat(100_000)]: Array.from({ length: 100_000 }, () => value) });
  expect(changesBetween(state(1), state(2), bytes(state(2)))).toEqual([{ op: 'replace', path: '', value: state(2) }]);
});

test('checkpoints of two sessions are compared', async () => {
  const bench = new Bench(createMemoryEngine({ historySize: 10, historyTtlMs: 1e9, metaTtlMs: 1e9 }));
  const { sessions, checkpoints } = bench.parts;
  const ids: string[] = [];
  for (const session of ['s', 't']) {
    await got(sessions.create(alice, { session }));
    const { checkpoint } = await got(checkpoints.create(alice, { session, state: { of: session } }));
    ids.push(checkpoint);
  }
  const [from, to] = ids as [string, string];
  expect(await got(checkpoints.diff(alice, from, to))).toEqual([{ op: 'replace', path: '/of', value: 't' }]);
  expect(await codeOf(checkpoints.diff(alice, from, 'none'))).toBe('not_found');
  expect(await codeOf(checkpoints.diff(alice, 'none', to))).toBe('not_found');
});
