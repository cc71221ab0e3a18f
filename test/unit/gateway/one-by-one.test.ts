import { expect, test } from 'vitest';
import { OneByOne } from '../../../services/gateway/core/one-by-one.ts';

test('work begins when the work before it is done, in the order asked for, and not over the bound', () => {
  const order = new OneByOne(2);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const ask = (name: string): boolean =>
    order.ask((done) => {
      begun.push(name);
      ends.push(done);
    });
  expect([ask('a'), ask('b'), ask('c'), ask('d')]).toEqual([true, true, true, false]);
  expect(begun).toEqual(['a']);
  ends[0]!();
  expect(begun).toEqual(['a', 'b']);
  expect(ask('e')).toBe(true);
  ends[1]!();
  ends[2]!();
  expect(begun).toEqual(['a', 'b', 'c', 'e']);
  ends[3]!();
  expect(ask('f')).toBe(true);
  expect(begun).toEqual(['a', 'b', 'c', 'e', 'f']);
});
