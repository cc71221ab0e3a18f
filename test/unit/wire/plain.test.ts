import { describe, expect, it } from 'vitest';
import { notPlain } from '../../../shared/wire/plain.ts';

describe('plain data', () => {
  it.each([[null], [true], [0], [-1.5], ['text'], [[]], [{}], [{ a: [{ b: null }] }], [Object.create(null)]])(
    'is %j',
    (value) => {
      expect(notPlain(value)).toBeUndefined();
    },
  );

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a date', new Date(0)],
    ['a Map', new Map()],
    ['bytes', new Uint8Array(1)],
    ['a float array', new Float64Array(1)],
    ['an error', new Error('e')],
    ['an array with a hole', Array.from({ length: 1 })],
    ['something with a prototype of its own', Object.create({ inherited: 1 })],
    ['an own __proto__ key', JSON.parse('{"__proto__":1}')],
  ])('is not %s, at the top or inside', (_name, value) => {
    expect(notPlain(value)).toBeTypeOf('string');
    expect(notPlain({ a: [value] })).toBeTypeOf('string');
  });

  it('is nothing that holds itself', () => {
    const ring: unknown[] = [];
    ring.push(ring);
    expect(notPlain(ring)).toBe('nested too deep');
  });
});
