import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for a condition of servers that are being set up; one that never comes true must not keep the process alive. */
export async function comesTrue(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (await condition()) return;
    await sleep(20);
  }
  throw new Error('the servers of this test did not get ready');
}
