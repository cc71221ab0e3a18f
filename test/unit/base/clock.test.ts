import { afterEach, expect, test, vi } from 'vitest';
import { realClock } from '../../../shared/base/clock.ts';

const longest = 2 ** 31 - 1;

afterEach(() => void vi.useRealTimers());

test('a delay that is longer than a timer can hold is waited for, and not run at once', () => {
  vi.useFakeTimers();
  const run = vi.fn<() => void>();
  realClock.later(2 * longest + 5, run);
  vi.advanceTimersByTime(longest);
  vi.advanceTimersByTime(longest + 4);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(run).toHaveBeenCalledOnce();
});

test('such a delay is cancelled in whichever stretch it is', () => {
  vi.useFakeTimers();
  const run = vi.fn<() => void>();
  const cancels = [realClock.later(longest + 5, run), realClock.later(longest + 5, run)];
  cancels[0]?.();
  vi.advanceTimersByTime(longest + 1);
  cancels[1]?.();
  vi.advanceTimersByTime(longest);
  expect(run).not.toHaveBeenCalled();
});
