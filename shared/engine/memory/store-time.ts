import type { Clock } from '../../base/clock.ts';

/**
 * The store's clock. A machine's clock may be set back; this one then stands still, so that no topic's `ts` falls
 * and nothing appended after an answer is older than the time that the answer named.
 */
export function storeTime(clock: Clock): () => number {
  let latest = 0;
  return () => {
    const now = clock.now();
    if (now > latest) latest = now;
    return latest;
  };
}

/** A sweep that found a million dead things at once would stall live traffic: it takes this many and comes back soon. */
export const mostPerSweep = 5_000;
