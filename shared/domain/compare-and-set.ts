import { fail } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import type { Change, Records, Stored } from '../engine/engine.ts';

/** Each time somebody else was quicker, so with these many there is a crowd, and it may come again later. */
const tries = 50;

export type Found = readonly (Stored | undefined)[];

/** What is to be written, if anything, and what the caller gets once it is. */
export interface Decided<T> {
  readonly change?: Change;
  readonly value: T;
}

/**
 * Decides on records as they stand, and commits what was decided if they still stand so; else decides again. `guess` is
 * how the records stand as far as the caller knows: where it is right it saves the reading.
 */
export async function compareAndSet<T>(
  records: Records,
  home: string,
  keys: readonly string[],
  decide: (found: Found) => Result<Decided<T>> | Promise<Result<Decided<T>>>,
  guess?: Found,
): Promise<Result<T>> {
  let found = guess;
  for (let tried = 0; tried < tries; tried += 1) {
    if (!found) {
      const read = await records.read(home, keys);
      if (!read.ok) return read;
      found = read.value;
    }
    const decided = await decide(found);
    if (!decided.ok) return decided;
    const { change, value } = decided.value;
    if (!change) return { ok: true, value };
    const seen = found;
    const expect = keys.map((key, i) => ({ key, rev: seen[i]?.rev ?? 0 }));
    const committed = await records.commit(home, { ...change, expect });
    if (committed.ok) return { ok: true, value };
    if (committed.code !== 'conflict') return committed;
    found = undefined;
  }
  return fail('busy', 'too many change the same thing at once');
}
