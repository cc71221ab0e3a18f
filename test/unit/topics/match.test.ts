import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matches } from '../../../shared/topics/match.ts';
import { naiveMatches, somePattern, someTopic } from '../../support/topic-model.ts';

test.each([
  ['agent.*.status', 'agent.123.status', true],
  ['agent.*.status', 'agent.status', false],
  ['agent.#', 'agent', true],
  ['agent.#', 'agent.123', true],
  ['agent.#', 'agent.123.status.health', true],
  ['agent.#', 'agents.1', false],
  ['#.status', 'status', true],
  ['#.a.#.b', 'x.a.y.a.b', true],
  ['*', 'a.b', false],
  ['a', 'a', true],
  ['a', 'ab', false],
])('%s against %s is %s', (pattern, topic, answer) => {
  expect(matches(pattern, topic)).toBe(answer);
});

test.each([
  ['#', 'run.1', false],
  ['*.1', 'session.1', false],
  ['#.x', '$sys.x', false],
  ['#.run.x', 'run.x', false],
  ['run.#', 'run.1', true],
  ['*.run.x', 'a.run.x', true],
])('a wildcard in front never reaches the topics of the system: %s against %s is %s', (pattern, topic, answer) => {
  expect(matches(pattern, topic)).toBe(answer);
});

test('agrees with the plain recursive reading', () => {
  fc.assert(
    fc.property(somePattern, someTopic, (pattern, topic) => matches(pattern, topic) === naiveMatches(pattern, topic)),
    { numRuns: 20_000 },
  );
});
