import { describe, expect, test } from 'vitest';
import { audiences, listener, listeningLoads, topicsOf } from '../../../loadtest/k6/audience.ts';
import { topicFault } from '../../../shared/topics/grammar.ts';
import { matches } from '../../../shared/topics/match.ts';

const crowd = { users: 3, connections: 7 };

describe.each(listeningLoads)('%s', (load) => {
  const topics = topicsOf(load, 'r1', load === 'fanout' ? 1 : 8);

  test('has topics that a broker takes, each of them once', () => {
    expect(topics.map(topicFault)).toEqual(topics.map(() => undefined));
    expect(new Set(topics).size).toBe(topics.length);
  });

  test('has clients that hear just the topics that their subscriptions match', () => {
    for (let client = 0; client < 21; client++) {
      const { subscriptions, topics: heard } = listener(load, 'r1', topics, client);
      expect(heard).toEqual(
        expect.arrayContaining(topics.filter((topic) => subscriptions.some((one) => matches(one, topic)))),
      );
      expect(heard.filter((topic) => !subscriptions.some((one) => matches(one, topic)))).toEqual([]);
    }
  });

  test('has an audience of as many as hear a topic, in both formats', () => {
    const heard = audiences(load, 'r1', topics, crowd, 2);
    for (const topic of topics) {
      const hearing = Array.from({ length: 21 }, (_, client) => listener(load, 'r1', topics, client).topics);
      expect(heard.get(topic)).toBe(2 * hearing.filter((own) => own.includes(topic)).length);
    }
  });
});

test('a third of the clients of wildcard have two patterns that match the same events', () => {
  const topics = topicsOf('wildcard', 'r1', 4);
  const patterns = [0, 1, 2].map((client) => listener('wildcard', 'r1', topics, client).subscriptions.length);
  expect(patterns).toEqual([1, 1, 2]);
});
