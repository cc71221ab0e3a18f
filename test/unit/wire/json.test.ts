import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeJson, encodeJson } from '../../../shared/wire/json.ts';

function refusal(input: Uint8Array | string): string {
  const decoded = decodeJson(input);
  return decoded.ok ? 'accepted' : `${decoded.code}: ${decoded.message}`;
}

describe('JSON that is refused as a bad frame', () => {
  it.each(['', ' ', '{', '{"a":}', '[1,]', 'nul', "{'a':1}", '{}{}', 'NaN', '\u{feff}{}'])('malformed: %j', (text) => {
    expect(refusal(text)).toMatch(/^bad_frame: /);
    expect(refusal(Buffer.from(text))).toMatch(/^bad_frame: /);
  });

  it.each(['22ff22', '22c3', '22c32822', '22eda08022', '22c08022', '22f490808022', '7b22a0223a317d'])(
    'not UTF-8: %s',
    (hex) => {
      expect(refusal(Buffer.from(hex, 'hex'))).toMatch(/^bad_frame: /);
    },
  );

  it.each(['{"__proto__":1}', '{"a":[{"__proto__":{"admin":true}}]}', String.raw`{"\u005f_proto__":{}}`])(
    'a key that would reach a prototype: %s',
    (text) => {
      expect(refusal(text)).toBe('bad_frame: a key may not be __proto__');
    },
  );

  it.each(['1e400', '-1e400', '{"a":[1e999]}'])('numbers too large to be numbers: %s', (text) => {
    expect(refusal(text)).toBe('bad_frame: NaN and Infinity are not carried');
  });

  it('nested deeper than 64, and not one level less', () => {
    expect(refusal('['.repeat(64) + ']'.repeat(64))).toBe('accepted');
    expect(refusal('['.repeat(65) + ']'.repeat(65))).toBe('bad_frame: nested too deep');
    expect(refusal('{"a":'.repeat(65) + '1' + '}'.repeat(65))).toBe('bad_frame: nested too deep');
  });

  it('nested so deep that a recursion over it would overflow the stack', () => {
    expect(refusal('['.repeat(500_000) + ']'.repeat(500_000))).toBe('bad_frame: nested too deep');
  });
});

describe('JSON', () => {
  it('is read deeper where the reader asks for it', () => {
    expect(decodeJson('['.repeat(70) + ']'.repeat(70), 80)).toMatchObject({ ok: true });
  });

  it('may use the other names of a prototype as keys', () => {
    expect(decodeJson('{"constructor":1,"prototype":2}')).toEqual({
      ok: true,
      value: { constructor: 1, prototype: 2 },
    });
  });

  it('comes back as it was written', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        fc.pre(!JSON.stringify(value).includes('"__proto__"'));
        const again: unknown = JSON.parse(JSON.stringify(value));
        expect(decodeJson(encodeJson(value))).toStrictEqual({ ok: true, value: again });
      }),
    );
  });

  it('of random bytes is a result, never a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof decodeJson(bytes).ok).toBe('boolean');
      }),
      { numRuns: 2000 },
    );
  });
});
