import type { Clock } from '../../base/clock.ts';
import { errorTable } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';

/** A store that is away is asked again: soon at first, then once a second. */
const soonMs = 50;
const mostMs = 1000;

/** Asks again for as long as it makes sense: until there is an answer, or nobody wants one any more. */
export async function persist<T>(clock: Clock, until: AbortSignal, ask: () => Promise<Result<T>>): Promise<Result<T>> {
  for (let delayMs = soonMs; ; delayMs = Math.min(2 * delayMs, mostMs)) {
    const answer = await ask();
    if (answer.ok || !errorTable[answer.code].retryable || until.aborted) return answer;
    await sleep(clock, delayMs, until);
    if (until.aborted) return answer;
  }
}

/** Resolves early when `until` is aborted. */
export function sleep(clock: Clock, ms: number, until: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      cancel();
      until.removeEventListener('abort', wake);
      resolve();
    };
    const cancel = clock.later(ms, wake);
    until.addEventListener('abort', wake);
  });
}
