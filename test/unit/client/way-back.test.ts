import { expect, test } from 'vitest';
import { connected, notes } from './harness.ts';

type Since = { positions: Record<string, unknown>; time: number };

function lastSince(frames: readonly Record<string, unknown>[]): Since {
  const frame = frames.findLast(({ type }) => type === 'subscribe')!;
  return (frame['topics'] as { since: Since }[])[0]!.since;
}

test('a pattern over many topics names only those that may have more to come', async () => {
  const made = await connected();
  const { handler, data } = notes();
  void made.client.subscribe('t.#', handler);
  await made.quiet();
  for (let i = 0; i < 300; i += 1) made.log.append(`t.${i}`, i);
  await made.quiet();
  await made.pass(70_000);
  made.log.append('t.7', 'late');
  await made.quiet();
  made.server.socket!.cut();
  made.log.append('t.9', 'while away');
  await made.pass(1000);
  const since = lastSince(made.server.socket!.received);
  expect(Object.keys(since.positions)).toEqual(['t.7']);
  expect(since.time).toBeGreaterThan(1_000_000);
  expect(data.slice(300)).toEqual(['late', 'while away']);
  expect(data).toHaveLength(302);
});

test('the time of a pattern does not move while older events are still arriving', async () => {
  const made = await connected();
  void made.client.subscribe('t.#');
  await made.quiet();
  for (let i = 0; i < 300; i += 1) made.log.append(`t.${i}`, i);
  const old = made.server.socket!;
  for (let i = 0; i < 299; i += 1) old.sendNext(0);
  old.toClient();
  const exchange = (): void => {
    old.toServer();
    old.toClient();
  };
  // The server works off what is behind: an older event comes between the two answers.
  made.clock.advance(30_000);
  exchange();
  old.sendNext(0);
  exchange();
  made.clock.advance(30_000);
  exchange();
  old.cut();
  await made.pass(1000);
  const { positions, time } = lastSince(made.server.socket!.received);
  expect([Object.keys(positions).length, time]).toEqual([300, 1_000_000]);
});

test('what has no room in the frame is replayed and known again', async () => {
  const made = await connected();
  made.server.mood.maxFrameBytes = 8000;
  made.server.socket!.cut();
  await made.pass(1000);
  const { handler, data } = notes();
  void made.client.subscribe('t.#', handler);
  await made.quiet();
  for (let i = 0; i < 200; i += 1) made.log.append(`t.${i}`, i);
  await made.quiet();
  made.server.socket!.cut();
  made.log.append('t.0', 'while away');
  await made.pass(1000);
  const { positions } = lastSince(made.server.socket!.received);
  expect(Object.keys(positions).length).toBeGreaterThan(10);
  expect(Object.keys(positions).length).toBeLessThan(100);
  expect(data).toHaveLength(201);
  expect(made.told.gap).toEqual([]);
});

test('subscriptions that do not fit into a frame come back in several, none above the limit', async () => {
  const made = await connected();
  made.server.mood.maxFrameBytes = 2000;
  made.server.socket!.cut();
  await made.pass(1000);
  const names = Array.from({ length: 60 }, (_, i) => `topic.number.${i}`);
  const { handler, data } = notes();
  for (const name of names) void made.client.subscribe(name, handler);
  await made.quiet();
  made.server.socket!.cut();
  for (const name of names) made.log.append(name, name);
  await made.pass(1000);
  const frames = made.server.socket!.received.filter(({ type }) => type === 'subscribe');
  expect(frames.length).toBeGreaterThan(1);
  for (const frame of frames) expect(JSON.stringify(frame).length).toBeLessThan(2000);
  expect(new Set(data)).toEqual(new Set(names));
});

test('a topic called __proto__ is like any other', async () => {
  const made = await connected();
  const { handler, data } = notes();
  void made.client.subscribe('#', handler);
  await made.quiet();
  made.log.append('__proto__', 1);
  await made.quiet();
  made.server.socket!.cut();
  made.log.append('__proto__', 2);
  await made.pass(1000);
  expect(data).toEqual([1, 2]);
});
