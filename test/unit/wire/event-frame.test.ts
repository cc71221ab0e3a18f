import { decode as peerDecode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventFrame } from '../../../shared/protocol/pushes.ts';
import {
  eventBody,
  eventFrameJson,
  eventFrameMsgpack,
  traceparentIn,
  withoutTraceparent,
  withTraceparent,
} from '../../../shared/wire/event-frame.ts';
import { formats } from '../../../shared/wire/formats.ts';
import { clientDepth } from '../../../shared/wire/plain.ts';

const place = { topic: 'agent.7.status', seq: 42, epoch: 'k3v9x2m7qa', ts: 1_763_700_000_123 };

function body(data: unknown, messageId?: string): string {
  const made = eventBody(data, messageId);
  if (!made.ok) throw new Error(made.message);
  return made.value;
}

describe('the body of an event', () => {
  it('is JSON text with data first, and a messageId where there is one', () => {
    expect(body(null)).toBe('{"data":null}');
    expect(body({ a: 'b' }, 'm"1')).toBe(String.raw`{"data":{"a":"b"},"messageId":"m\"1"}`);
  });

  it('has no newline in it, whatever the data holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(body(`${text}\n`, `\n${text}`)).not.toContain('\n');
      }),
    );
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['NaN', { a: Number.NaN }],
    ['a bigint', [1n]],
    ['bytes', new Uint8Array(2)],
    ['a date', { at: new Date(0) }],
    ['a function', { run: () => 1 }],
  ])('is refused for %s, which JSON would lose or throw at', (_name, data) => {
    expect(eventBody(data)).toMatchObject({ ok: false, code: 'bad_request' });
  });

  it('is refused for data that holds itself', () => {
    const ring: Record<string, unknown> = {};
    ring['ring'] = ring;
    expect(eventBody(ring)).toMatchObject({ ok: false, code: 'bad_request' });
  });
});

describe('the trace in a body', () => {
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

  it.each([body(null), body({ n: [1] }, 'm-1'), body('', '"}'), body({})])(
    'goes in, is found, and goes out of %s',
    (plain) => {
      const traced = withTraceparent(plain, trace);
      expect(JSON.parse(traced)).toEqual({ ...(JSON.parse(plain) as object), traceparent: trace });
      expect(traceparentIn(traced)).toBe(trace);
      expect(withoutTraceparent(traced)).toBe(plain);
      expect(traceparentIn(plain)).toBeUndefined();
      expect(withoutTraceparent(plain)).toBe(plain);
    },
  );

  it('cannot be made up by what somebody publishes', () => {
    const member = `,"traceparent":"${trace}"`;
    const tries: [unknown, string?][] = [
      [{ a: 1, traceparent: trace }],
      [member],
      [`x${member}}`],
      [0, `x${member}`],
      [0, `x${member}}`],
      [0, trace],
      [[{ a: 1, traceparent: trace }]],
    ];
    for (const [data, messageId] of tries) expect(traceparentIn(body(data, messageId))).toBeUndefined();
  });

  it('comes last in both formats', () => {
    const event = { ...place, body: withTraceparent(body({ n: 1 }, 'm-1'), trace) };
    const expected = { type: 'event', ...place, data: { n: 1 }, messageId: 'm-1', traceparent: trace };
    expect(Buffer.from(eventFrameJson(event)).toString()).toBe(JSON.stringify(expected));
    expect(peerDecode(eventFrameMsgpack(event))).toStrictEqual(expected);
  });
});

describe('an event frame', () => {
  it('is spliced in JSON to what would have been serialised as a whole', () => {
    const text = Buffer.from(eventFrameJson({ ...place, body: body({ n: 1 }, 'm-1') })).toString();
    expect(text).toBe(JSON.stringify({ type: 'event', ...place, data: { n: 1 }, messageId: 'm-1' }));
  });

  it('has no epoch when it is ephemeral', () => {
    const event = { ...place, seq: 0, epoch: '', body: body(null) };
    const expected = { type: 'event', topic: place.topic, seq: 0, ts: place.ts, data: null };
    expect(JSON.parse(Buffer.from(eventFrameJson(event)).toString())).toStrictEqual(expected);
    expect(peerDecode(eventFrameMsgpack(event))).toStrictEqual(expected);
  });

  it('carries its time as a 64-bit integer in MessagePack, not as a float', () => {
    const frame = Buffer.from(eventFrameMsgpack({ ...place, body: body(1) })).toString('hex');
    expect(frame).toContain(`${Buffer.from('\xa2ts', 'latin1').toString('hex')}cf0000019aa4b6457b`);
  });

  it('reads the same in both formats, and is what the schema says', () => {
    const plain = fc.jsonValue({ maxDepth: 5 }).filter((value) => !JSON.stringify(value).includes('"__proto__"'));
    const messageId = fc.option(fc.string({ minLength: 1, maxLength: 40 }), { nil: undefined });
    fc.assert(
      fc.property(plain, messageId, fc.nat(), (value, id, seq) => {
        const event = { ...place, seq, body: body(value, id) };
        const json = formats.json.decode(formats.json.eventFrame(event));
        const msgpack = formats.msgpack.decode(formats.msgpack.eventFrame(event));
        expect(json.ok && eventFrame.safeParse(json.value).success).toBe(true);
        expect(msgpack).toEqual(json);
      }),
      { numRuns: 500 },
    );
  });

  it('tells JSON readers of a lone surrogate and MessagePack readers of U+FFFD, which is all that UTF-8 can', () => {
    const event = { ...place, body: body('half \ud83d') };
    expect(formats.json.decode(eventFrameJson(event))).toMatchObject({ value: { data: 'half \ud83d' } });
    expect(formats.msgpack.decode(eventFrameMsgpack(event))).toMatchObject({ value: { data: 'half \ufffd' } });
  });

  it('of the deepest data that may be published can be read by a client, in a history answer too', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 64; level++) deep = [deep];
    const event: unknown = JSON.parse(Buffer.from(eventFrameJson({ ...place, body: body(deep) })).toString());
    for (const format of [formats.json, formats.msgpack]) {
      const answer = format.encode({ type: 'ok', id: 1, result: { events: [event] } });
      expect(format.decode(answer, clientDepth)).toMatchObject({ ok: true });
    }
  });
});

describe('the table of formats', () => {
  it('has JSON as text and MessagePack as binary', () => {
    expect(formats.json.binary).toBe(false);
    expect(formats.msgpack.binary).toBe(true);
  });
});
