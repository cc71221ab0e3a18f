import { expect, it, vi } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { Hands } from '../../../shared/engine/hands.ts';

function hands(slots: number) {
  const freed = vi.fn<() => void>();
  const held = new Hands<undefined>(slots, freed);
  return { held, freed, take: (id: string) => held.take(id, '', undefined) };
}

it('counts a slot for what is held and for what is on its way, and none for what is parked', () => {
  const { held, take } = hands(2);
  const a = take('a');
  held.promise();
  expect(held.free).toBe(0);
  const unpark = a.park();
  expect(held.free).toBe(1);
  held.arrived();
  take('b');
  expect(held.free).toBe(1);
  take('c');
  unpark();
  expect(held.free).toBe(-1);
});

it('tells of each slot that became free, once', () => {
  const { held, freed, take } = hands(2);
  const [a, b] = [take('a'), take('b')];
  const unpark = a.park();
  a.park();
  expect(freed).toHaveBeenCalledTimes(1);
  held.release(a);
  held.release(a);
  unpark();
  a.park();
  expect(freed).toHaveBeenCalledTimes(1);
  held.release(b);
  expect(freed).toHaveBeenCalledTimes(2);
  expect(held.free).toBe(2);
});

it('is emptied when the last one is released, or when the time is over, and leaves no timer', async () => {
  const clock = new ManualClock();
  const { held, take } = hands(2);
  await held.emptied(10, clock);
  const [a, b] = [take('a'), take('b')];
  const over = vi.fn<() => void>();
  const first = held.emptied(10, clock).then(over);
  clock.advance(9);
  held.release(a);
  await Promise.resolve();
  expect(over).not.toHaveBeenCalled();
  clock.advance(1);
  await first;
  const second = held.emptied(10, clock);
  held.release(b);
  await second;
  expect(clock.pending).toBe(0);
});
