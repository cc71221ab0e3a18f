import type { Clock } from '../../../shared/base/clock.ts';
import type { Result } from '../../../shared/base/errors.ts';

/** Somebody else is about to write it, and does so within a moment unless their process died. */
const writtenWithinMs = [5, 10, 20, 50, 100, 200, 500, 1000];

/** Looks again and again for what is not found yet; gives up after two seconds. */
export async function awaited<T>(clock: Clock, find: () => Promise<Result<T>>): Promise<Result<T>> {
  for (const ms of writtenWithinMs) {
    const found = await find();
    if (found.ok || found.code !== 'not_found') return found;
    await new Promise<void>((resolve) => clock.later(ms, resolve));
  }
  return find();
}
