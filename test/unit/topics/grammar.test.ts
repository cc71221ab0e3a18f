import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isPattern, isSystemTopic, isSystemWritten, patternFault, topicFault } from '../../../shared/topics/grammar.ts';

const segments = (count: number, segment = 'a'): string => Array.from({ length: count }, () => segment).join('.');

describe('a topic', () => {
  test.each(['a', 'agent.123.status', 'A-Z_09.x', segments(16), 'a'.repeat(64), '$sys', `$${segments(20)}`])(
    'may be %s',
    (topic) => {
      expect(topicFault(topic)).toBeUndefined();
    },
  );

  test.each([
    ['', 'it is empty'],
    ['.', 'segment 1 is empty'],
    ['a..b', 'segment 2 is empty'],
    ['a.', 'segment 2 is empty'],
    ['$', 'segment 1 is empty'],
    ['a b', 'segment 1 holds a character other than A-Z a-z 0-9 _ -'],
    ['a.ü', 'segment 2 holds a character other than A-Z a-z 0-9 _ -'],
    ['a.$b', 'segment 2 holds a character other than A-Z a-z 0-9 _ -'],
    ['a.\n', 'segment 2 holds a character other than A-Z a-z 0-9 _ -'],
    ['a.*', 'it holds a wildcard, and only patterns may'],
    ['a'.repeat(65), 'segment 1 is longer than 64 characters'],
    [segments(17), 'it has more than 16 segments'],
    [`$${segments(21)}`, 'it has more than 20 segments'],
    [segments(4, 'a'.repeat(64)), 'it is longer than 255 bytes'],
    [`$${segments(5, 'a'.repeat(60))}`, 'it is longer than 300 bytes'],
  ])('may not be %j: %s', (topic, fault) => {
    expect(topicFault(topic)).toBe(fault);
  });

  test('is refused exactly when the written rule refuses it', () => {
    const rule = /^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,15}$/;
    const anything = fc.string({
      unit: fc.constantFrom('a', 'Z', '0', '_', '-', '.', '.', '*', ' ', 'é'),
      maxLength: 40,
    });
    fc.assert(fc.property(anything, (name) => (topicFault(name) === undefined) === rule.test(name)));
  });
});

describe('a pattern', () => {
  test.each(['#', '*', 'agent.*.status', 'agent.#', '#.a.#.b', '$sys.#', 'plain.topic'])('may be %s', (pattern) => {
    expect(patternFault(pattern)).toBeUndefined();
  });

  test.each([
    ['a.b*', 'the wildcard in segment 2 is not the whole segment'],
    ['*a', 'the wildcard in segment 1 is not the whole segment'],
    ['##', 'the wildcard in segment 1 is not the whole segment'],
    ['$*', 'the wildcard in segment 1 is not the whole segment'],
    ['a.#.', 'segment 3 is empty'],
    [segments(17, '#'), 'it has more than 16 segments'],
  ])('may not be %j: %s', (pattern, fault) => {
    expect(patternFault(pattern)).toBe(fault);
  });

  test('is told from a topic by its wildcards', () => {
    expect(['a.b', 'a.*', '#'].map(isPattern)).toEqual([false, true, true]);
  });
});

test('the system has its own topics, and a few more that only it may write', () => {
  const own = ['run.1', 'session.s.x', '$sys'];
  const written = ['swarm.s.proposal', 'swarm.s.vote', 'swarm.s.consensus'];
  const id = '0f5b8c1d-2e3f-8a4b-9c5d-6e7f8091a2b3';
  written.push(`task.${id}.created`, `task.${id}.anything.else`);
  const others = [`task.${id}`, `tasks.${id}.x`, `task.${id}x.y`, `task.${id.toUpperCase()}.x`, `task.x.${id}`];
  for (const n of [1, 3, 4, 5, 7]) others.push(`task.${id.slice(0, 14)}${n}${id.slice(15)}.created`);
  for (let i = 0; i < id.length; i++) others.push(`task.${id.slice(0, i)}g${id.slice(i + 1)}.created`);
  others.push('task.42.progress', `task.${id.replaceAll('-', 'a')}.x`, `task.${id.slice(1)}.x`, `task.0${id}.x`);
  const open = ['run', 'session', 'runs.1', 'swarm.s', 'swarm.s.topology', 'swarm.s.vote.x', 'swarm.vote', 'agent.1'];
  expect([...own, ...written, ...open].filter(isSystemTopic)).toEqual(own);
  expect([...own, ...written, ...open, ...others].filter(isSystemWritten)).toEqual([...own, ...written]);
});
