import { decode as peerDecode, encode as peerEncode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMsgpack } from '../../../shared/wire/msgpack-decode.ts';
import { encodeMsgpack } from '../../../shared/wire/msgpack-encode.ts';
import { goldenFrames } from '../../fixtures/native/golden.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const written = (value: unknown): string => Buffer.from(encodeMsgpack(value)).toString('hex');

function refusal(bytes: Uint8Array): string {
  const decoded = decodeMsgpack(bytes);
  return decoded.ok ? 'accepted' : `${decoded.code}: ${decoded.message}`;
}

/** Any data that a client may send; fast-check's strings reach beyond ASCII and beyond 16 bits. */
const data = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ unit: 'binary', maxLength: 40 }).filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).value;

describe('between this MessagePack and another library', () => {
  it('what we write, the other reads', () => {
    fc.assert(
      fc.property(data, (value) => {
        expect(peerDecode(encodeMsgpack(value))).toStrictEqual(value);
      }),
      { numRuns: 1000 },
    );
  });

  it('what the other writes, we read', () => {
    fc.assert(
      fc.property(data, (value) => {
        expect(decodeMsgpack(peerEncode(value))).toStrictEqual({ ok: true, value });
      }),
      { numRuns: 1000 },
    );
  });

  it('both write the same bytes', () => {
    fc.assert(
      fc.property(data, (value) => {
        expect(written(value)).toBe(Buffer.from(peerEncode(value)).toString('hex'));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([0, 15, 16, 31, 32, 255, 256, 65_535, 65_536])('strings, arrays and maps of %i go both ways', (length) => {
    const array = Array.from({ length }, (_, index) => index);
    const map = Object.fromEntries(array.map((index) => [`k${index}`, index]));
    for (const value of ['x'.repeat(length), 'é'.repeat(length), '€'.repeat(length), array, map]) {
      const ours = encodeMsgpack(value);
      expect(Buffer.compare(ours, peerEncode(value, { initialBufferSize: 1 << 20 }))).toBe(0);
      expect(decodeMsgpack(ours)).toEqual({ ok: true, value });
    }
  });
});

describe('a number is written', () => {
  it.each<[number, string]>([
    [0, '00'],
    [-0, '00'],
    [127, '7f'],
    [128, 'cc80'],
    [255, 'ccff'],
    [256, 'cd0100'],
    [65_535, 'cdffff'],
    [65_536, 'ce00010000'],
    [4_294_967_295, 'ceffffffff'],
    [4_294_967_296, 'cf0000000100000000'],
    [1_763_700_000_123, 'cf0000019aa4b6457b'],
    [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
    [-1, 'ff'],
    [-32, 'e0'],
    [-33, 'd0df'],
    [-128, 'd080'],
    [-129, 'd1ff7f'],
    [-32_768, 'd18000'],
    [-32_769, 'd2ffff7fff'],
    [-2_147_483_648, 'd280000000'],
    [-2_147_483_649, 'd3ffffffff7fffffff'],
    [Number.MIN_SAFE_INTEGER, 'd3ffe0000000000001'],
    [0.5, 'cb3fe0000000000000'],
    [1e300, 'cb7e37e43c8800759c'],
  ])('in its smallest form: %d', (value, expected) => {
    expect(written(value)).toBe(expected);
    expect(decodeMsgpack(hex(expected))).toEqual({ ok: true, value: value === 0 ? 0 : value });
  });

  it('shorter by other writers, and read all the same', () => {
    expect(decodeMsgpack(hex('ca3f000000'))).toEqual({ ok: true, value: 0.5 });
    expect(decodeMsgpack(hex('cf0000000000000001'))).toEqual({ ok: true, value: 1 });
    expect(decodeMsgpack(hex('d3ffffffffffffffff'))).toEqual({ ok: true, value: -1 });
  });
});

describe('writing', () => {
  it('leaves out, or makes nil, what JSON would', () => {
    const value = { a: undefined, b: [undefined, Number.NaN, Number.POSITIVE_INFINITY], c: null };
    expect(peerDecode(encodeMsgpack(value))).toStrictEqual(JSON.parse(JSON.stringify(value)));
  });

  it.each<[string, unknown]>([
    ['a typed array, which could take stale memory along', new Float64Array(100)],
    ['bytes', new Uint8Array(4)],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['a bigint', 1n],
    ['a function', () => 1],
  ])('throws for %s', (_name, value) => {
    expect(() => encodeMsgpack({ deep: [value] })).toThrow(/MessagePack/);
    expect(written([1])).toBe('9101');
  });

  it.each([
    ['\ud800', '\ufffd'],
    ['a\udc00b', 'a\ufffdb'],
    ['\ud83d'.repeat(40), '\ufffd'.repeat(40)],
  ])('puts U+FFFD for a lone surrogate, so the text is UTF-8: %j', (text, expected) => {
    expect(decodeMsgpack(encodeMsgpack(text))).toEqual({ ok: true, value: expected });
  });

  it('gives away bytes that later writing leaves alone', () => {
    const first = encodeMsgpack({ a: 'first' });
    const before = Buffer.from(first).toString('hex');
    encodeMsgpack({ b: 'second', c: 'x'.repeat(200_000) });
    encodeMsgpack({ a: 'third' });
    expect(Buffer.from(first).toString('hex')).toBe(before);
  });
});

describe('MessagePack that is refused as a bad frame', () => {
  it.each<[string, string, RegExp]>([
    ['nothing at all', '', /cut off/],
    ['0xC1', 'c1', /0xC1/],
    ['0xC1 inside', '91c1', /0xC1/],
    ['bin 8', 'c40100', /base64/],
    ['bin 16', 'c5000100', /base64/],
    ['bin 32 inside', '81a161c60000000100', /base64/],
    ['ext 8', 'c7010000', /extension/],
    ['ext 16', 'c800010000', /extension/],
    ['ext 32', 'c90000000100ff', /extension/],
    ['fixext 1, which some write for undefined', 'd40000', /extension/],
    ['fixext 1, a record definition', '91d4724091a16101', /extension/],
    ['fixext 4, a timestamp', 'd6ff00000000', /extension/],
    ['fixext 8', 'd7ff0000000000000000', /extension/],
    ['fixext 16', `d800${'00'.repeat(16)}`, /extension/],
    ['NaN', 'cb7ff8000000000000', /NaN/],
    ['Infinity in 32 bits', '91ca7f800000', /Infinity/],
    ['-Infinity', 'cbfff0000000000000', /Infinity/],
    ['2^53', 'cf0020000000000000', /2\^53/],
    ['the largest uint 64', 'cfffffffffffffffff', /2\^53/],
    ['the smallest int 64', 'd38000000000000000', /2\^53/],
    ['a number as key', '810102', /key must be a string/],
    ['nil as key', '81c002', /key must be a string/],
    ['a map as key', '818002', /key must be a string/],
    ['bytes as key', '81c4016102', /key must be a string/],
    ['__proto__ as key', '81a95f5f70726f746f5f5f80', /__proto__/],
    ['__proto__ as key, written long', '81d9095f5f70726f746f5f5f80', /__proto__/],
    ['short text that is not UTF-8', 'a1ff', /not UTF-8/],
    ['a surrogate in a string', 'a3eda080', /not UTF-8/],
    ['overlong UTF-8', 'a2c080', /not UTF-8/],
    ['a key that is not UTF-8', '81a1ff01', /not UTF-8/],
    ['long text that is not UTF-8', `d928${'61'.repeat(39)}ff`, /not UTF-8/],
    ['trailing bytes', '0101', /after the end/],
    ['a string cut off', 'a36161', /cut off/],
    ['a string that claims 4 GB', 'dbffffffff61', /cut off/],
    ['a key cut off', '81a56161', /cut off/],
    ['an array that claims 4 G elements', 'ddffffffff', /cut off/],
    ['a map that claims 4 G fields', 'dfffffffff', /cut off/],
    ['a number cut off', 'cf00', /cut off/],
    ['a map without its value', '81a161', /cut off/],
  ])('%s', (_name, bytes, message) => {
    expect(refusal(hex(bytes))).toMatch(/^bad_frame: /);
    expect(refusal(hex(bytes))).toMatch(message);
  });

  it('nested deeper than 64, and not one level less', () => {
    expect(refusal(hex(`${'91'.repeat(64)}c0`))).toBe('accepted');
    expect(refusal(hex(`${'91'.repeat(65)}c0`))).toMatch(/too deep/);
    expect(refusal(hex(`${'81a161'.repeat(65)}c0`))).toMatch(/too deep/);
    expect(refusal(hex(`${'91'.repeat(500_000)}c0`))).toMatch(/too deep/);
  });

  it('claims of length allocate nothing ahead', () => {
    const frame = hex(`${'ddffffffff'.repeat(60)}${'c0'.repeat(1000)}`);
    expect(refusal(frame)).toMatch(/cut off/);
  });
});

describe('reading', () => {
  it('lets the last of two equal keys win', () => {
    expect(decodeMsgpack(hex('82a16101a16102'))).toEqual({ ok: true, value: { a: 2 } });
  });

  it('takes a view into a larger buffer for what it is', () => {
    const larger = hex('ffff81a16101ffff');
    expect(decodeMsgpack(larger.subarray(2, 6))).toEqual({ ok: true, value: { a: 1 } });
  });

  it('keeps nothing of the input, which the socket takes back', () => {
    const bytes = Uint8Array.from(encodeMsgpack({ key: 'a text that is long enough to be more than a number' }));
    const decoded = decodeMsgpack(bytes);
    bytes.fill(0x20);
    expect(decoded).toEqual({ ok: true, value: { key: 'a text that is long enough to be more than a number' } });
  });

  it('never takes one key for another that shares its slot', () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'é'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(key, { minLength: 1, maxLength: 30 }), (keys) => {
        for (const name of keys)
          expect(decodeMsgpack(peerEncode({ [name]: 1 }))).toStrictEqual({ ok: true, value: { [name]: 1 } });
      }),
      { numRuns: 500 },
    );
  });

  it('random bytes gives a result, never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof decodeMsgpack(bytes).ok).toBe('boolean');
      }),
      { numRuns: 5000 },
    );
  });

  it('a valid frame with a few bytes changed gives a result, and what it accepts is plain data', () => {
    const frames = goldenFrames.map((golden) => hex(golden.msgpack));
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255) });
    fc.assert(
      fc.property(fc.constantFrom(...frames), fc.array(change, { minLength: 1, maxLength: 3 }), (frame, changes) => {
        const mutant = Uint8Array.from(frame);
        for (const { at, byte } of changes) mutant[at % mutant.length] = byte;
        const decoded = decodeMsgpack(mutant);
        const ours: unknown = decoded.ok ? JSON.parse(JSON.stringify(decoded.value)) : 'refused';
        expect(ours).toEqual(decoded.ok ? peerDecode(mutant) : 'refused');
      }),
      { numRuns: 5000 },
    );
  });
});
