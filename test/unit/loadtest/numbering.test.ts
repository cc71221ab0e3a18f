import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Numbering } from '../../../loadtest/k6/numbering.ts';
import type { Faults } from '../../../loadtest/k6/numbering.ts';

const faultless: Faults = { lost: 0, repeated: 0, outOfOrder: 0, resumeGap: 0 };

function heard(numbers: readonly (number | 'cut')[], head: number): Faults {
  const numbering = new Numbering(1);
  for (const number of numbers) {
    if (number === 'cut') numbering.comeBack();
    else numbering.take(number);
  }
  return numbering.end(head);
}

describe('a row of numbers', () => {
  test.each<[string, (number | 'cut')[], number, Partial<Faults>]>([
    ['complete', [1, 2, 3], 3, {}],
    ['empty, of a topic without events', [], 0, {}],
    ['with a hole', [1, 2, 5], 5, { lost: 2 }],
    ['without its end', [1, 2], 4, { lost: 2 }],
    ['of which nothing came', [], 3, { lost: 3 }],
    ['with a number twice', [1, 2, 2, 3], 3, { repeated: 1 }],
    ['with an old number again', [1, 2, 3, 1], 3, { repeated: 1 }],
    ['with two that changed places', [1, 3, 2, 4], 4, { outOfOrder: 1 }],
    ['with one that came late, and then again', [1, 3, 2, 2], 3, { outOfOrder: 1, repeated: 1 }],
    ['with a part of a hole that came late', [1, 6, 4], 6, { outOfOrder: 1, lost: 3 }],
    ['cut and gone on with', [1, 2, 'cut', 3, 4], 4, {}],
    ['cut, with a hole behind the position', [1, 2, 'cut', 5], 5, { resumeGap: 2 }],
    ['cut, and nothing came any more', [1, 2, 'cut'], 4, { resumeGap: 2 }],
    ['cut, and repeated from before the position', [1, 2, 'cut', 2, 3], 3, { repeated: 1 }],
    ['cut, with a hole later on', [1, 'cut', 2, 4], 4, { lost: 1 }],
    ['cut twice, with a hole behind each', [1, 'cut', 3, 'cut', 5], 5, { resumeGap: 2 }],
  ])('%s', (_, numbers, head, faults) => {
    expect(heard(numbers, head)).toEqual({ ...faultless, ...faults });
  });

  test('that begins behind a position lacks nothing before it', () => {
    const numbering = new Numbering(8);
    expect(numbering.take(8)).toBe(true);
    expect(numbering.last).toBe(8);
    expect(numbering.end(8)).toEqual(faultless);
  });

  test('agrees with a simple count, whatever is lost, repeated and moved about', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 }), (numbers) => {
        const there = new Set<number>();
        const expected = { ...faultless };
        let highest = 0;
        for (const number of numbers) {
          if (there.has(number)) expected.repeated++;
          else if (number < highest) expected.outOfOrder++;
          there.add(number);
          highest = Math.max(highest, number);
        }
        expect(heard(numbers, 30)).toEqual({ ...expected, lost: 30 - there.size });
      }),
    );
  });
});
