import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PatternTrie } from '../../../shared/topics/trie.ts';
import { naiveMatches, somePattern, someTopic } from '../../support/topic-model.ts';

test('answers with one value for each pattern that matches, as the plain matcher does, also after removals', () => {
  const patterns = fc.uniqueArray(somePattern, { maxLength: 20 });
  fc.assert(
    fc.property(patterns, fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }), someTopic, (all, keep, topic) => {
      const trie = new PatternTrie<string>();
      for (const pattern of all) trie.add(pattern, pattern);
      const kept = all.filter((_, i) => keep[i]);
      for (const pattern of all) if (!kept.includes(pattern)) trie.remove(pattern);
      expect(trie.match(topic).sort()).toEqual(kept.filter((pattern) => naiveMatches(pattern, topic)).sort());
      expect(trie.size).toBe(kept.length);
    }),
    { numRuns: 3000 },
  );
});

test('holds the last value that was added for a pattern', () => {
  const trie = new PatternTrie<number>();
  trie.add('a.#', 1);
  trie.add('a.#', 2);
  expect(trie.match('a.b')).toEqual([2]);
  expect(trie.size).toBe(1);
});

test('removing what is not there changes nothing', () => {
  const trie = new PatternTrie<number>();
  trie.add('a.b.*', 1);
  trie.remove('a.b');
  trie.remove('a.b.#');
  trie.remove('x');
  expect(trie.match('a.b.c')).toEqual([1]);
});

test('a pattern stays when a longer one through it goes', () => {
  const trie = new PatternTrie<number>();
  trie.add('a', 1);
  trie.add('a.*.#', 2);
  trie.remove('a.*.#');
  expect(trie.match('a')).toEqual([1]);
});

test('many # in a row cost no more than their number', () => {
  const trie = new PatternTrie<string>();
  const hashes = Array.from({ length: 15 }, () => '#').join('.');
  trie.add(`${hashes}.z`, 'never');
  trie.add(`${hashes}.a`, 'always');
  const topic = Array.from({ length: 16 }, () => 'a').join('.');
  // Trying every way to share 16 segments among 15 # is 145 million ways a match: this would not come back in time.
  for (let i = 0; i < 1000; i++) expect(trie.match(topic)).toEqual(['always']);
});
