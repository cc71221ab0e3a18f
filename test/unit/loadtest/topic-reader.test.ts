import { describe, expect, it } from 'vitest';
import { TopicReader } from '../../../loadtest/bench/topic-reader.ts';
import { eventFrameText } from '../../../shared/wire/event-frame.ts';

const event = (seq: number, topic = 'bench.a'): Buffer =>
  Buffer.from(eventFrameText({ topic, seq, epoch: 'abcdefghij', ts: 1_790_000_000_000, body: '{"data":"x"}' }));
const answer = (text: string): Buffer => Buffer.from(`{"type":"ok","id":1,"result":{"subscriptions":[{${text}}]}}`);

function readerOf(heads: readonly Buffer[], seq = 0): TopicReader {
  const reader = new TopicReader('bench.a', seq);
  for (const head of heads) reader.read(head);
  return reader;
}

describe('the reader of a topic', () => {
  it('follows the numbers of the very frames that a gateway writes', () => {
    const reader = readerOf([
      answer('"topic":"bench.a"'),
      ...Array.from({ length: 120 }, (_, index) => event(index + 1)),
    ]);
    expect([reader.seq, reader.fault]).toEqual([120, undefined]);
  });

  it('goes on from where it is told to', () => {
    expect(readerOf([answer('"recovered":true'), event(100), event(101)], 99).fault).toBeUndefined();
  });

  it.each([
    ['an event that is missing', [event(1), event(3)], 'bench.a: event 3 came after 1'],
    ['an event that came twice', [event(1), event(1)], 'bench.a: event 1 came after 1'],
    ['events in the wrong order', [event(2), event(1)], 'bench.a: event 2 came after 0'],
    ['an event of another topic', [event(1, 'bench.ab')], event(1, 'bench.ab').toString()],
    ['an error', [Buffer.from('{"type":"error","id":1}')], '{"type":"error","id":1}'],
    ['a notice of a loss', [Buffer.from('{"type":"dropped","from":1}')], '{"type":"dropped","from":1}'],
    ['a way back that is gone', [answer('"recovered":false')], answer('"recovered":false').toString()],
  ])('says that there was %s', (_, heads, fault) => {
    expect(readerOf(heads).fault).toBe(fault);
  });

  it('remembers the first fault', () => {
    expect(readerOf([event(2), event(5)]).fault).toBe('bench.a: event 2 came after 0');
  });
});
