import { expect, test } from 'vitest';
import { homeOf } from '../../../shared/topics/home.ts';

test.each([
  ['run.7', 'run.7'],
  ['run.7.x.y', 'run.7'],
  ['session.s1.messages', 'session.s1'],
  ['swarm.s.vote', 'swarm.s'],
  ['task.7.created', 'run.7'],
])('%s shares the home %s', (topic, home) => {
  expect(homeOf(topic)).toBe(home);
});

test.each(['run', 'runs.7.x', 'agent.1.status', 'swarms.a.b', 'sessions.a.b', '$run.7.x', 'task.1', 'tasks.1.created'])(
  '%s is its own home',
  (topic) => {
    expect(homeOf(topic)).toBe(topic);
  },
);
