import { expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { Pages } from '../../../services/gateway/hub/pages.ts';
import { FakeLog } from './fake-log.ts';

async function settle(log: FakeLog): Promise<void> {
  log.answer(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 8; i += 1) await Promise.resolve();
}

test('who joins a read that is under way is told that it may be older than what he knows', async () => {
  const log = new FakeLog();
  log.publish('t', ['{"data":1}']);
  const pages = new Pages(log, new ManualClock());
  const told: boolean[] = [];
  pages.load('t', 0, (_page, fresh) => told.push(fresh));
  pages.load('t', 0, (_page, fresh) => told.push(fresh));
  expect(log.asked).toBe(1);
  await settle(log);
  expect(told).toEqual([true, false]);
});

test('pages are bounded in bytes: those unused for longest go, and the one just read stays', async () => {
  const log = new FakeLog();
  const big = `{"data":"${'x'.repeat(40 * 1024 * 1024)}"}`;
  const pages = new Pages(log, new ManualClock());
  for (const topic of ['a', 'b']) {
    log.publish(topic, [big]);
    pages.load(topic, 0, () => {});
    await settle(log);
  }
  const epochOf = (topic: string): string => log.topics.get(topic)!.epoch;
  expect(pages.get('a', epochOf('a'), 0)).toBeUndefined();
  expect(pages.get('b', epochOf('b'), 0)?.upTo).toBe(1);
});
