import { encode, ExtData } from '@msgpack/msgpack';
import { describe, expect, it } from 'vitest';
import { codeOf, join } from '../../support/client.ts';
import type { Format, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

type Bad = string | Uint8Array;

const deep = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const publish = (data: string): string => `{"type":"publish","id":1,"topic":"a.b","data":${data}}`;

const badJson: Record<string, [string, string]> = {
  'nothing at all': ['', 'bad_frame'],
  'half a map': ['{"type":"ping"', 'bad_frame'],
  'two maps': ['{"type":"ping"}{"type":"ping"}', 'bad_frame'],
  'no map: null': ['null', 'bad_frame'],
  'no map: a list': ['[{"type":"ping"}]', 'bad_frame'],
  'no map: a number': ['7', 'bad_frame'],
  'no type': ['{"id":1}', 'bad_frame'],
  'a type that is no string': ['{"id":1,"type":7}', 'bad_frame'],
  'a type that nobody knows': ['{"id":1,"type":"launch"}', 'unknown_type'],
  'a type that objects inherit': ['{"id":1,"type":"constructor"}', 'unknown_type'],
  'a type named as the prototype': ['{"id":1,"type":"__proto__"}', 'unknown_type'],
  'an id that is a map': ['{"id":{},"type":"publish","topic":"a.b","data":1}', 'bad_request'],
  'an infinite number': [publish('1e400'), 'bad_frame'],
  'lists in lists, too many': [publish(deep(100_000)), 'bad_frame'],
  'lists in lists, just too many': [publish(deep(64)), 'bad_frame'],
  'a key __proto__': [publish('{"__proto__":{"polluted":1}}'), 'bad_frame'],
  'a key __proto__, escaped': [publish('{"\\u005f_proto__":{"polluted":1}}'), 'bad_frame'],
  'a key __proto__ in the frame': ['{"__proto__":{"topic":"a.b"},"type":"publish","id":1,"data":1}', 'bad_frame'],
  'no data': ['{"type":"publish","id":1,"topic":"a.b"}', 'bad_request'],
};

const map = (...fields: [string, unknown][]): Uint8Array => encode(Object.fromEntries(fields));
const bytes = (...parts: (number | Uint8Array)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : part)));
/** A publish whose `data`, the last field, is these bytes. */
const packed = (...data: (number | Uint8Array)[]): Uint8Array => {
  const whole = map(['type', 'publish'], ['id', 1], ['topic', 'a.b'], ['data', null]);
  return bytes(whole.subarray(0, whole.length - 1), ...data);
};

const badMsgpack: Record<string, [Uint8Array, string]> = {
  'nothing at all': [new Uint8Array(0), 'bad_frame'],
  'half a map': [map(['type', 'publish'], ['topic', 'a.b']).subarray(0, 12), 'bad_frame'],
  'bytes after the end': [bytes(map(['type', 'ping']), 0xc0), 'bad_frame'],
  'no map': [encode([1]), 'bad_frame'],
  'a key that is a number': [bytes(0x81, 1, 2), 'bad_frame'],
  'a key __proto__': [packed(0x81, encode('__proto__'), 0x80), 'bad_frame'],
  'an extension': [packed(encode(new ExtData(0x74, new Uint8Array(16)))), 'bad_frame'],
  'a record of msgpackr': [packed(0xd4, 0x72, 0x40), 'bad_frame'],
  'a time stamp': [packed(encode(new Date())), 'bad_frame'],
  'binary data': [packed(encode(new Uint8Array(4))), 'bad_frame'],
  'the byte that is never used': [packed(0xc1), 'bad_frame'],
  'not a number': [packed(encode(Number.NaN)), 'bad_frame'],
  'an integer beyond 2^53': [packed(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 'bad_frame'],
  'text that is not UTF-8': [packed(0xa2, 0xc3, 0x28), 'bad_frame'],
  'a list that claims four billion': [packed(0xdd, 0xff, 0xff, 0xff, 0xff), 'bad_frame'],
  'a text that claims four billion': [packed(0xdb, 0xff, 0xff, 0xff, 0xff), 'bad_frame'],
  'lists in lists, too many': [packed(new Uint8Array(100_000).fill(0x91), 0xc0), 'bad_frame'],
  'a type that nobody knows': [map(['type', 'launch'], ['id', 1]), 'unknown_type'],
};

const badTopics = ['', '.', 'a..b', 'a.', '.a', 'a b', 'ä', 'a/b', 'a\nb', 'a\u0000b', '*', '#', 'a.*', 'a*'];
const longTopics = ['x'.repeat(65), Array(17).fill('a').join('.'), Array(5).fill('x'.repeat(60)).join('.')];
const badLists: unknown[] = [
  [],
  'a.b',
  null,
  {},
  [7],
  [null],
  [[]],
  [{}],
  ['a*'],
  ['a.**'],
  ['##'],
  ['a.b#'],
  ['a', ''],
];
const badPositions: unknown[] = [{ seq: 1 }, { seq: -1, epoch: '' }, { seq: 1.5, epoch: '' }, { seq: 1, epoch: 5 }];
const badTimes: unknown[] = [{ time: -1 }, { time: 1e300 }, { time: '1' }, { positions: {} }];
const badLimits: unknown[] = [0, 1001, -1, 1.5, '5', 2 ** 60];

const wrong: Record<string, unknown[]> = {
  publish: [...badTopics, ...longTopics, null, 7, {}, ['a.b']].map((topic) => ({ topic, data: 1 })),
  'publish with': [{ ephemeral: 1 }, { messageId: '' }, { messageId: 'x'.repeat(257) }, { messageId: 7 }],
  'history with': [
    { after: -1 },
    { after: 1.5 },
    { after: 1e300 },
    { after: '1' },
    { reverse: 'no' },
    { topic: 'a.*' },
  ],
  'history within': badLimits.map((limit) => ({ limit })),
  subscribe: badLists.map((topics) => ({ topics })),
  'subscribe since': ['yesterday', 7, true, [], ...badPositions, ...badTimes, { positions: { 'a.b': 1 }, time: 1 }],
  unsubscribe: [{ topics: 'a.b' }, { topics: [7] }, { topics: ['a..b'] }, {}],
  hello: [{}, { versions: 1 }, { versions: ['1'] }, { versions: [1], token: 5 }, { versions: [1], client: 5 }],
};

function requestOf(kind: string, fields: unknown): Record<string, unknown> {
  if (kind === 'publish with') return { type: 'publish', topic: 'a.b', data: 1, ...(fields as object) };
  if (kind.startsWith('history')) return { type: 'history', topic: 'a.b', ...(fields as object) };
  if (kind === 'subscribe since') return { type: 'subscribe', topics: [{ topic: 'a.b', since: fields }] };
  return { type: kind, ...(fields as object) };
}

async function error(client: TestClient, bad: Bad): Promise<string> {
  const before = client.of('error').length;
  client.socket.send(bad);
  await client.until(() => client.of('error').length > before, `the error for ${String(bad).slice(0, 40)}`);
  return codeOf(client.of('error').at(-1)!);
}

/** What bad input must not touch: another connection, and what the connection itself has under way. */
async function bystanders(port: number, format: Format) {
  const [client, other] = [await join(port, { format }), await join(port, { format })];
  await client.request({ type: 'subscribe', topics: ['kept'] });
  await other.request({ type: 'subscribe', topics: ['kept', 'a.b'] });
  let published = 0;
  return {
    client,
    good: async (): Promise<void> => {
      await client.request({ type: 'publish', topic: 'kept', data: (published += 1) });
    },
    expectUnharmed: async (): Promise<void> => {
      const all = Array.from({ length: published }, (_, i) => i + 1);
      for (const each of [client, other]) {
        expect((await each.gather(published)).map((event) => event.data)).toEqual(all);
      }
      expect(other.frames.filter((frame) => frame.type !== 'event')).toHaveLength(1);
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    },
  };
}

describe('what cannot be read', () => {
  it.each<[Format, Record<string, [Bad, string]>]>([
    ['json', badJson],
    ['msgpack', badMsgpack],
  ])('in %s gets an error with its code, and nothing else happens', async (format, cases) => {
    const { port } = await startGateway();
    const { client, good, expectUnharmed } = await bystanders(port, format);
    for (const [what, [bad, code]] of Object.entries(cases)) {
      expect([what, await error(client, bad)]).toEqual([what, code]);
      await good();
    }
    await expectUnharmed();
  });

  it('as text that is not UTF-8 ends only the connection that sent it, as the WebSocket standard asks', async () => {
    const { port } = await startGateway();
    const { client, good, expectUnharmed } = await bystanders(port, 'json');
    const sinner = await join(port);
    sinner.socket.send(Buffer.from([0x7b, 0xc3, 0x28, 0x7d]), { binary: false });
    expect([1006, 1007]).toContain((await sinner.end()).code);
    await good();
    expect(client.closed).toBeUndefined();
    await expectUnharmed();
  });
});

describe('what makes no sense', () => {
  it.each<Format>(['json', 'msgpack'])('in %s is a bad request that names the field', async (format) => {
    const { port } = await startGateway();
    const { client, good, expectUnharmed } = await bystanders(port, format);
    for (const [kind, inputs] of Object.entries(wrong)) {
      for (const [i, fields] of inputs.entries()) {
        const answer = await client.ask({ id: `${kind} ${i}`, ...requestOf(kind, fields) });
        expect([kind, fields, answer['error']]).toMatchObject([
          kind,
          fields,
          { code: 'bad_request', retryable: false },
        ]);
        expect((answer['error'] as { message: string }).message.length).toBeLessThan(260);
      }
      await good();
    }
    await expectUnharmed();
  });

  it('never names what objects inherit as data, and carries such keys as data', async () => {
    const { port } = await startGateway();
    const client = await join(port);
    await client.request({ type: 'subscribe', topics: ['a.b'] });
    const data = { constructor: { prototype: { polluted: 1 } }, toString: 'x', hasOwnProperty: null, toJSON: 1 };
    await client.request({ type: 'publish', topic: 'a.b', data });
    expect((await client.gather(1))[0]?.data).toEqual(data);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('costs a subscribe all of its topics: one bad name among good ones changes nothing', async () => {
    const { port } = await startGateway();
    const client = await join(port);
    await client.request({ type: 'subscribe', topics: ['had'] });
    for (const bad of ['a..b', 'a.b*', '', { topic: 'x.*', since: { seq: 0, epoch: '' } }]) {
      expect(await client.refusal({ type: 'subscribe', topics: ['good.1', bad, 'good.2', '#'] })).toBe('bad_request');
    }
    for (const topic of ['good.1', 'good.2', 'other', 'had']) await client.request({ type: 'publish', topic, data: 1 });
    expect((await client.gather(1)).map((event) => event.topic)).toEqual(['had']);
  });
});
