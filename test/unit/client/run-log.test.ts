import { expect, test } from 'vitest';
import type { AgentwireEvent } from '../../../shared/client/index.ts';
import { RunLog } from '../../../shared/client/run-log.ts';

const eventOf = (seq: number, epoch = 'e'): AgentwireEvent => ({ topic: 'run.r', seq, epoch, ts: 1, data: seq });

test('the newest thousand events are kept, whatever comes', () => {
  const log = new RunLog(0);
  for (let seq = 1; seq <= 2500; seq += 1) log.add(eventOf(seq));
  expect([log.head, log.oldest]).toEqual([2500, 1501]);
  expect([log.get(1500), log.get(1501)?.data, log.get(2500)?.data, log.get(2501)]).toEqual([
    undefined,
    1501,
    2500,
    undefined,
  ]);
});

test('an event that is known already changes nothing, and behind a hole all begins anew', () => {
  const log = new RunLog(2);
  for (const seq of [1, 2, 3, 4, 3, 1]) log.add(eventOf(seq));
  expect([log.head, log.oldest, log.get(3)?.data, log.get(2)]).toEqual([4, 3, 3, undefined]);
  log.add(eventOf(9));
  expect([log.head, log.oldest, log.get(4), log.get(9)?.data]).toEqual([9, 9, undefined, 9]);
  log.add(eventOf(1, 'another'));
  expect([log.head, log.oldest, log.epoch, log.get(9)]).toEqual([1, 1, 'another', undefined]);
});

test('told of the head it holds nothing of what is before it, and the end takes its place', async () => {
  const log = new RunLog(0);
  log.add(eventOf(1));
  expect([log.awaits('e', 5), log.awaits('e', 1), log.awaits('other', 5)]).toEqual([true, false, false]);
  const more = log.more();
  log.reached('e', 5);
  await more;
  log.reached('e', 3);
  expect([log.head, log.oldest, log.get(1)]).toEqual([5, 6, undefined]);
  log.end(eventOf(5));
  expect([log.over, log.head, log.oldest, log.get(5)?.data]).toEqual([true, 5, 5, 5]);
});
