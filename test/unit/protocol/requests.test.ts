import { describe, expect, it } from 'vitest';
import { parseRequest, requestIdOf } from '../../../shared/protocol/requests.ts';

function refusal(frame: unknown): string {
  const parsed = parseRequest(frame);
  return parsed.ok ? 'accepted' : `${parsed.code}: ${parsed.message}`;
}

describe('a frame', () => {
  it.each([[null], [undefined], [1], ['text'], [true], [[]], [[{ type: 'ping' }]]])(
    'that is no map is a bad frame: %j',
    (frame) => {
      expect(refusal(frame)).toMatch(/^bad_frame: /);
    },
  );

  it.each([{}, { type: 7 }, { type: null }, { type: ['ping'] }])('without a type is a bad frame: %j', (frame) => {
    expect(refusal(frame)).toMatch(/^bad_frame: /);
  });

  it.each(['', 'nothing', 'constructor', '__proto__', 'toString', 'PING', 'event'])(
    'of a type that nobody knows is unknown: %j',
    (type) => {
      expect(refusal({ type })).toMatch(/^unknown_type: /);
    },
  );

  it('keeps none of the fields that nobody knows', () => {
    expect(parseRequest({ type: 'ping', id: 1, colour: 'red' })).toEqual({ ok: true, value: { type: 'ping', id: 1 } });
  });
});

describe('an optional field that is null', () => {
  it('counts as absent', () => {
    const frame = { type: 'publish', id: null, topic: 'a', data: 1, messageId: null, ephemeral: null };
    expect(parseRequest(frame)).toStrictEqual({ ok: true, value: { type: 'publish', topic: 'a', data: 1 } });
  });

  it('takes its default where it has one', () => {
    const expected = { type: 'history', topic: 'a', limit: 100 };
    expect(parseRequest({ type: 'history', topic: 'a', limit: null, after: null })).toStrictEqual({
      ok: true,
      value: expected,
    });
  });

  it('counts as absent inside of a subscription too', () => {
    const since = { seq: null, epoch: null, positions: null, time: 5 };
    const frame = {
      type: 'subscribe',
      topics: [
        { topic: 'a', since: null },
        { topic: 'b', since },
      ],
    };
    expect(parseRequest(frame)).toStrictEqual({
      ok: true,
      value: { type: 'subscribe', topics: [{ topic: 'a' }, { topic: 'b', since: { time: 5 } }] },
    });
  });

  it('does not change the frame that was given', () => {
    const frame = { type: 'ping', id: null };
    parseRequest(frame);
    expect(frame).toEqual({ type: 'ping', id: null });
  });

  it('is no excuse for a required one', () => {
    expect(refusal({ type: 'publish', topic: null, data: 1 })).toBe('bad_request: topic must be a string');
  });
});

describe('a publish', () => {
  it.each([[null], [false], [0], [''], [[]], [{}]])('may carry %j', (data) => {
    expect(parseRequest({ type: 'publish', topic: 'a', data })).toStrictEqual({
      ok: true,
      value: { type: 'publish', topic: 'a', data },
    });
  });

  it('hands on the data as it is, not a copy', () => {
    const data = { nested: null };
    const parsed = parseRequest({ type: 'publish', topic: 'a', data, messageId: null });
    expect(parsed.ok && parsed.value.type === 'publish' && parsed.value.data).toBe(data);
  });
});

describe('the refusal of a bad request names the field and what is wrong with it', () => {
  const subscribeTo = (topic: unknown): object => ({ type: 'subscribe', topics: [topic] });
  it.each<[object, string]>([
    [{ type: 'publish', topic: 'a' }, 'data is missing'],
    [{ type: 'publish', data: 1 }, 'topic is missing'],
    [{ type: 'publish', topic: 'a', data: 1, ephemeral: 'yes' }, 'ephemeral must be a boolean'],
    [{ type: 'publish', topic: 'a', data: 1, messageId: '' }, 'messageId is refused: too small'],
    [{ type: 'publish', topic: 'a', data: 1, messageId: 'x'.repeat(257) }, 'messageId is refused: too big'],
    [{ type: 'ping', id: {} }, 'id must be a string or a number'],
    [{ type: 'hello' }, 'versions is missing'],
    [{ type: 'hello', versions: ['1'] }, 'versions[0] must be a number'],
    [{ type: 'history', topic: 'a', after: 1.5 }, 'after must be an integer'],
    [{ type: 'history', topic: 'a', after: -1 }, 'after is refused: too small'],
    [{ type: 'history', topic: 'a', after: 2 ** 53 }, 'after is refused: too big'],
    [{ type: 'history', topic: 'a', limit: 0 }, 'limit is refused: too small'],
    [{ type: 'history', topic: 'a', limit: 1001 }, 'limit is refused: too big'],
    [{ type: 'unsubscribe', topics: 'a' }, 'topics must be an array'],
    [{ type: 'subscribe', topics: [] }, 'topics is refused: too small'],
    [subscribeTo(5), 'topics[0] must be a topic or {topic, since?}'],
    [subscribeTo({}), 'topics[0].topic is missing'],
    [subscribeTo({ topic: 'a', since: 'yesterday' }), 'topics[0].since must be "latest"'],
    [subscribeTo({ topic: 'a', since: { time: 'x' } }), 'topics[0].since.time must be a number'],
    [subscribeTo({ topic: 'a', since: { seq: 1 } }), 'topics[0].since.epoch is missing'],
    [subscribeTo({ topic: 'a', since: { last: 0 } }), 'topics[0].since.last is refused: too small'],
    [subscribeTo({ topic: 'a', since: { last: 1001 } }), 'topics[0].since.last is refused: too big'],
    [subscribeTo({ topic: 'a', since: { last: 1.5 } }), 'topics[0].since.last must be an integer'],
    [subscribeTo({ topic: 'a', since: { last: 'x' } }), 'topics[0].since.last must be a number'],
    [subscribeTo({ topic: 'a', since: { seq: 'x' } }), 'topics[0].since.seq must be a number'],
    [subscribeTo({ topic: 'a', since: { epoch: 5 } }), 'topics[0].since.epoch must be a string'],
    [
      subscribeTo({ topic: 'a', since: { positions: { b: { seq: -1, epoch: '' } }, time: 1 } }),
      'topics[0].since.positions.b.seq is refused: too small',
    ],
  ])('%j', (frame, message) => {
    expect(refusal(frame).slice(0, 'bad_request: '.length + message.length)).toBe(`bad_request: ${message}`);
  });

  it('in a bounded number of characters, however long the names are', () => {
    const positions = { ['k'.repeat(10_000)]: 1 };
    expect(refusal(subscribeTo({ topic: 'a', since: { positions, time: 1 } })).length).toBeLessThan(230);
  });
});

describe('the id for an answer', () => {
  it.each(['x', '', 7, 0, -1.5])('is found in a frame that is bad otherwise: %j', (id) => {
    expect(requestIdOf({ id, type: 12 })).toBe(id);
  });

  it.each([[{}], [{ id: null }], [{ id: {} }], [{ id: true }], [null], ['id'], [[1]]])(
    'is absent where there is none: %j',
    (frame) => {
      expect(requestIdOf(frame)).toBeUndefined();
    },
  );
});
