import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Expiry } from '../../../shared/engine/memory/expiry.ts';

const step = fc.oneof(
  fc.record({ end: fc.nat(7), at: fc.oneof(fc.nat(60), fc.constant(Infinity)) }),
  fc.record({ sweep: fc.nat(20) }),
);

test('gives away each item when its last end has come, whatever ends it had before, and not twice', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const expiry = new Expiry<{ name: number; endsAt: number; filedAt: number }>();
      const items = Array.from({ length: 8 }, (_, name) => ({ name, endsAt: Infinity, filedAt: Infinity }));
      const ends = new Map<number, number>();
      let now = 0;
      for (const one of steps) {
        if ('end' in one) {
          const item = items[one.end]!;
          item.endsAt = now + one.at;
          expiry.file(item);
          ends.set(one.end, item.endsAt);
          continue;
        }
        now += one.sweep;
        const gone: number[] = [];
        expect(expiry.sweep(now, (item) => gone.push(item.name))).toBe(false);
        const due = [...ends].filter(([, at]) => at <= now).map(([name]) => name);
        expect(new Set(gone)).toEqual(new Set(due));
        expect(gone).toHaveLength(due.length);
        for (const name of due) ends.delete(name);
      }
    }),
    { numRuns: 2000 },
  );
});

test('what was filed once is given away in the order of time', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000)), (ends) => {
      const expiry = new Expiry<{ endsAt: number; filedAt: number }>();
      for (const endsAt of ends) expiry.file({ endsAt, filedAt: Infinity });
      const gone: number[] = [];
      expiry.sweep(1000, (item) => gone.push(item.endsAt));
      expect(gone).toEqual(ends.toSorted((a, b) => a - b));
    }),
  );
});
