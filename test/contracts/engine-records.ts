import fc from 'fast-check';
import { expect, test } from 'vitest';
import { codeOf, count, got, until } from './engine-bench.ts';
import type { Bench } from './engine-bench.ts';

export function recordPromises(bench: () => Bench): void {
  test('answers in the order of the question, with nothing where there is nothing', async () => {
    const { records } = bench().engine;
    await got(records.commit('h.1', { put: ['a', 'b'].map((key) => ({ key, value: `value of ${key}` })) }));
    expect(await got(records.read('h.1', ['b', 'none', 'a', 'b']))).toEqual([
      { value: 'value of b', rev: 1 },
      undefined,
      { value: 'value of a', rev: 1 },
      { value: 'value of b', rev: 1 },
    ]);
    expect(await got(records.read('h.1', []))).toEqual([]);
    expect(await got(records.read('h.nowhere', ['a']))).toEqual([undefined]);
  });

  test('counts the writes of a record, from 1, and again from 1 after it was deleted', async () => {
    const { records } = bench().engine;
    const put = (value: string) => got(records.commit('h.1', { put: [{ key: 'k', value }] }));
    for (const n of count(4)) {
      await put(`v${n}`);
      expect(await got(records.read('h.1', ['k']))).toEqual([{ value: `v${n}`, rev: n }]);
    }
    await got(records.commit('h.1', { del: ['k', 'none'] }));
    expect(await got(records.read('h.1', ['k']))).toEqual([undefined]);
    await put('new');
    expect(await got(records.read('h.1', ['k']))).toEqual([{ value: 'new', rev: 1 }]);
  });

  test('each home has records and lists of its own', async () => {
    const { records } = bench().engine;
    const homes = count(150).map((n) => `h.${n}`);
    for (const home of homes) {
      await got(
        records.commit(home, {
          put: [{ key: 'k', value: home }],
          rank: [{ list: 'k', key: home, score: 1 }],
        }),
      );
    }
    for (const home of homes) {
      expect(await got(records.read(home, ['k']))).toEqual([{ value: home, rev: 1 }]);
      expect(await got(records.page(home, 'k', { limit: 10 }))).toEqual({ keys: [home] });
    }
  });

  test('a record may have any key and any value', async () => {
    const { records } = bench().engine;
    const text = fc.string({ unit: 'grapheme', maxLength: 12 });
    const odd = fc.constantFrom('__proto__', 'constructor', ':', '{}', '{a}', '*', '\n', '\0', ' ', '0', '-1');
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.oneof(text, odd), { maxLength: 6 }), text, async (keys, value) => {
        const home = `h.${Math.random()}`;
        const put = keys.map((key, i) => ({ key, value: `${i}${value}` }));
        const rank = keys.map((key, i) => ({ list: value, key, score: i }));
        await got(records.commit(home, { put, rank }));
        expect(await got(records.read(home, keys))).toEqual(put.map((one) => ({ value: one.value, rev: 1 })));
        expect(await got(records.page(home, value, { limit: 10 }))).toEqual({ keys });
      }),
      { numRuns: 60 },
    );
  });

  test('a record with a ttl ends by itself, and one that was written again without does not', async () => {
    const { records } = bench().engine;
    await got(
      records.commit('h.1', { put: ['short', 'kept', 'again'].map((key) => ({ key, value: 'v', ttlMs: 40 })) }),
    );
    await got(records.commit('h.1', { del: ['again'] }));
    await got(
      records.commit('h.1', {
        put: [
          { key: 'kept', value: 'w' },
          { key: 'again', value: 'w' },
          { key: 'long', value: 'v', ttlMs: 3_600_000 },
        ],
      }),
    );
    bench().pass(10_000);
    await until(async () => expect((await got(records.read('h.1', ['short'])))[0]).toBeUndefined());
    const [kept, again, long] = await got(records.read('h.1', ['kept', 'again', 'long']));
    expect([kept, again, long]).toEqual([
      { value: 'w', rev: 2 },
      { value: 'w', rev: 1 },
      { value: 'v', rev: 1 },
    ]);
    expect(await codeOf(records.commit('h.1', { expect: [{ key: 'short', rev: 1 }] }))).toBe('conflict');
    await got(records.commit('h.1', { expect: [{ key: 'short', rev: 0 }], put: [{ key: 'short', value: 'new' }] }));
    expect(await got(records.read('h.1', ['short']))).toEqual([{ value: 'new', rev: 1 }]);
  });

  test('a list is in the order of its scores and then of its keys, up and down, page by page', async () => {
    const { records } = bench().engine;
    const rank = [
      ['c', 5],
      ['b', 5],
      ['a', 5],
      ['x', -2.5],
      ['y', 1_700_000_000_123],
      ['d', 5],
      ['z', 0],
    ].map(([key, score]) => ({ list: 'l', key: key as string, score: score as number }));
    await got(records.commit('h.1', { rank }));
    const order = ['x', 'z', 'a', 'b', 'c', 'd', 'y'];
    for (const reverse of [false, true]) {
      const expected = reverse ? order.toReversed() : order;
      for (const limit of count(8)) {
        const pages = await allPages(bench(), { limit, reverse });
        expect(pages.flat()).toEqual(expected);
        // No empty page at the end: the last one says that it is the last.
        expect(pages).toHaveLength(Math.ceil(order.length / limit));
      }
    }
  });

  test('a key has one place in a list: a new score moves it, null takes it out', async () => {
    const { records } = bench().engine;
    const rank = (key: string, score: number | null) =>
      got(records.commit('h.1', { rank: [{ list: 'l', key, score }] }));
    for (const [i, key] of ['a', 'b', 'c'].entries()) await rank(key, i);
    await rank('a', 10);
    expect(await got(records.page('h.1', 'l', { limit: 10 }))).toEqual({ keys: ['b', 'c', 'a'] });
    await rank('c', null);
    await rank('never', null);
    expect(await got(records.page('h.1', 'l', { limit: 10 }))).toEqual({ keys: ['b', 'a'] });
    await rank('a', null);
    await rank('b', null);
    expect(await got(records.page('h.1', 'l', { limit: 10 }))).toEqual({ keys: [] });
  });

  test('a list that is kept for a time ends by itself, as a whole, and one that is not stays', async () => {
    const { records } = bench().engine;
    const rank = (list: string, key: string, ttlMs?: number) =>
      got(
        records.commit('h.1', {
          rank: [{ list, key, score: 1 }],
          ...(ttlMs === undefined ? {} : { keepLists: [{ list, ttlMs }] }),
        }),
      );
    const listed = async (list: string): Promise<string[]> =>
      (await got(records.page('h.1', list, { limit: 10 }))).keys;
    await rank('stays', 'a');
    await rank('later', 'a');
    for (const list of ['short', 'later']) await rank(list, 'b', 40);
    // The longest time counts, and who asks for none leaves it as it is.
    for (const [key, ttlMs] of [['b', 3_600_000], ['c', 40], ['d']] as const) await rank('longer', key, ttlMs);
    await got(records.commit('h.1', { keepLists: [{ list: 'never', ttlMs: 40 }] }));
    bench().pass(10_000);
    await until(async () => expect([await listed('short'), await listed('later')]).toEqual([[], []]));
    expect(await listed('stays')).toEqual(['a']);
    expect(await listed('longer')).toEqual(['b', 'c', 'd']);
    await rank('short', 'e');
    expect(await listed('short')).toEqual(['e']);
  });

  test('a list that is over does not come back by being kept for longer', async () => {
    const { records } = bench().engine;
    const listed = async () => (await got(records.page('h.1', 'l', { limit: 10 }))).keys;
    await got(
      records.commit('h.1', { rank: [{ list: 'l', key: 'a', score: 1 }], keepLists: [{ list: 'l', ttlMs: 40 }] }),
    );
    bench().pass(40);
    await until(async () => expect(await listed()).toEqual([]));
    await got(records.commit('h.1', { keepLists: [{ list: 'l', ttlMs: 3_600_000 }] }));
    expect(await listed()).toEqual([]);
    await got(records.commit('h.1', { rank: [{ list: 'l', key: 'b', score: 1 }] }));
    expect(await listed()).toEqual(['b']);
  });

  test('a page goes on where the one before ended, also when keys came and went in between', async () => {
    const { records } = bench().engine;
    for (const reverse of [false, true]) {
      const list = `l${reverse}`;
      const score = (n: number): number => (reverse ? -n : n);
      const keys = count(9).map((n) => `k${n}`);
      await got(records.commit('h.1', { rank: keys.map((key, i) => ({ list, key, score: score(i) })) }));
      const first = await got(records.page('h.1', list, { limit: 4, reverse }));
      expect(first.keys).toEqual(keys.slice(0, 4));
      const rank = [
        { list, key: 'k1', score: null },
        { list, key: 'k4', score: null },
        { list, key: 'early', score: score(-5) },
        { list, key: 'later', score: score(5.5) },
      ];
      await got(records.commit('h.1', { rank }));
      const next = await got(records.page('h.1', list, { limit: 10, reverse, cursor: first.cursor! }));
      expect(next).toEqual({ keys: ['k5', 'k6', 'later', 'k7', 'k8', 'k9'] });
    }
  });

  test('a cursor that was never given out is a bad request or a place like another, and no throw', async () => {
    const { records } = bench().engine;
    await got(records.commit('h.1', { rank: [{ list: 'l', key: 'a', score: 1 }] }));
    for (const cursor of ['', 'nonsense', '\0', 'NaN:a', '{"a":1}', '1 or 1=1']) {
      expect(['ok', 'bad_request']).toContain(await codeOf(records.page('h.1', 'l', { limit: 5, cursor })));
    }
  });
}

async function allPages(bench: Bench, range: { limit: number; reverse: boolean }): Promise<string[][]> {
  const pages: string[][] = [];
  let cursor: string | undefined;
  do {
    const page = await got(bench.engine.records.page('h.1', 'l', cursor === undefined ? range : { ...range, cursor }));
    pages.push(page.keys);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return pages;
}
