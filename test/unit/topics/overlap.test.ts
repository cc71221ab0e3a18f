import fc from 'fast-check';
import { expect, test } from 'vitest';
import { overlaps } from '../../../shared/topics/overlap.ts';
import { naiveMatches, somePattern, someTopic } from '../../support/topic-model.ts';

test.each([
  ['a.b', 'a.b', true],
  ['a.b', 'a.c', false],
  ['a.*', 'a.b', true],
  ['a.*', '*.b', true],
  ['a.*', 'a.*.*', false],
  ['a.#', '#.b', true],
  ['a.#', 'b.#', false],
  ['#', 'run.1', false],
  ['#', 'run.*', false],
  ['*.x', 'session.x.#', false],
  ['#.run.x', '*.x', false],
  ['#.run.x', '*.*.x', true],
  ['run.*', 'run.#', true],
])('%s and %s: %s', (a, b, answer) => {
  expect(overlaps(a, b)).toBe(answer);
  expect(overlaps(b, a)).toBe(answer);
});

test('says yes exactly when a topic exists that matches both', () => {
  // Patterns of up to three segments need no topic of more than six; `c` stands for a segment that neither names.
  const topics = everyTopic(['a', 'run', 'c'], 6);
  const short = somePattern.filter((pattern) => !/\$|session/.test(pattern) && pattern.split('.').length <= 3);
  const side = fc.oneof(
    short,
    someTopic.filter((topic) => /^(a|run)(\.(a|run)){0,2}$/.test(topic)),
  );
  fc.assert(
    fc.property(side, side, (a, b) => {
      const known = a.replaceAll('b', 'a');
      const other = b.replaceAll('b', 'a');
      const met = topics.some((topic) => naiveMatches(known, topic) && naiveMatches(other, topic));
      return overlaps(known, other) === met;
    }),
    { numRuns: 1000 },
  );
});

test('a topic that matches both is never denied', () => {
  fc.assert(
    fc.property(somePattern, somePattern, someTopic, (a, b, topic) => {
      return !(naiveMatches(a, topic) && naiveMatches(b, topic)) || overlaps(a, b);
    }),
    { numRuns: 20_000 },
  );
});

function everyTopic(alphabet: string[], longest: number): string[] {
  let last = alphabet;
  const all = [...last];
  for (let length = 2; length <= longest; length++) {
    last = last.flatMap((topic) => alphabet.map((segment) => `${topic}.${segment}`));
    all.push(...last);
  }
  return all;
}
