import { expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { createLogger } from '../../../shared/observe/log.ts';
import type { Log } from '../../../shared/observe/log.ts';
import { reached } from '../../../services/process/store.ts';

function logged(): { log: Log; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  return { log: createLogger('info', {}, { write: (line) => void lines.push(JSON.parse(line)) }), lines };
}

/** Runs every attempt that is due, until it is over. */
async function through(clock: ManualClock, over: Promise<unknown>): Promise<void> {
  let going = true;
  const stop = (): void => void (going = false);
  over.then(stop, stop);
  while (going) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
  }
}

const away = new Error('Redis at 127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1');

it('a store that is there is reached without a word', async () => {
  const { log, lines } = logged();
  const clock = new ManualClock();
  await reached(() => Promise.resolve(), clock, log);
  expect(lines).toEqual([]);
  expect(clock.pending).toBe(0);
});

it('one that is away is waited for, which is said once', async () => {
  const { log, lines } = logged();
  const clock = new ManualClock();
  let attempts = 0;
  const there = reached(() => (++attempts < 5 ? Promise.reject(away) : Promise.resolve()), clock, log);
  await through(clock, there);
  await there;
  expect(attempts).toBe(5);
  expect(lines).toMatchObject([{ level: 'warn', message: 'waiting for the store', reason: away.message }]);
});

it('one that stays away is given up after half a minute', async () => {
  const clock = new ManualClock();
  const began = clock.now();
  const gone = reached(() => Promise.reject(away), clock, logged().log);
  await through(clock, gone);
  await expect(gone).rejects.toBe(away);
  expect(clock.now() - began).toBeGreaterThanOrEqual(30_000);
  expect(clock.now() - began).toBeLessThan(31_000);
});

it.each([
  'WRONGPASS invalid username-password pair or user is disabled.',
  'NOAUTH Authentication required.',
  "NOPERM User nobody has no permissions to run the 'info' command",
  'Unknown RESP type 60 "<". Please report this.',
  'self-signed certificate in certificate chain',
])('one that says %j is not tried again', async (said) => {
  const { log, lines } = logged();
  const clock = new ManualClock();
  const refused = new Error(`Redis at r:6379 cannot be reached: ${said}`);
  await expect(reached(() => Promise.reject(refused), clock, log)).rejects.toBe(refused);
  expect(lines).toEqual([]);
  expect(clock.pending).toBe(0);
});
