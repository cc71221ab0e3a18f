import { expect, test } from 'vitest';
import type { Client, Running } from './harness.ts';
import { bytes, choke, join, Recorder, serve, text, turn, until } from './harness.ts';
import type { Link } from '../../../services/gateway/core/transport.ts';

interface World {
  server: Running;
  recorder: Recorder;
  client: Client;
  link: Link;
}

async function world(): Promise<World> {
  const recorder = new Recorder();
  const server = await serve({ webSockets: [recorder] });
  const client = await join(server.port);
  return { server, recorder, client, link: recorder.links[0]! };
}

/** A client that reads nothing, on a socket that takes nothing more. */
async function stuckWorld(): Promise<World> {
  const all = await world();
  all.client.pause();
  await choke(all.link);
  all.link.subscribe('t');
  return all;
}

const publish = ({ server }: World, message: string, size = 200): void =>
  server.fanout.publish('t', bytes(message, size), false);

/** What came of the messages that tests publish, without what was used to fill the socket. */
const events = ({ client }: World): string[] =>
  client.received.filter((message) => message.startsWith('m')).map((message) => message.trim());

const range = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `m${from + i}`);

test('a publish reaches the subscribers of its topic, in order, and nobody else', async () => {
  const all = await world();
  const other = await join(all.server.port);
  all.link.subscribe('t');
  all.recorder.links[1]!.subscribe('u');
  for (const message of range(0, 100)) publish(all, message);
  all.server.fanout.publish('u', bytes('last'), false);
  await until(() => events(all).length === 100 && other.received.length === 1);
  expect(events(all)).toEqual(range(0, 100));
  expect(other.received).toEqual(['last']);
});

test('what is sent comes after what was published before it', async () => {
  const all = await world();
  all.link.subscribe('t');
  publish(all, 'm0');
  all.link.send(bytes('m1'), false);
  publish(all, 'm2');
  all.link.send(bytes('m3'), false);
  await until(() => events(all).length === 4);
  expect(events(all)).toEqual(range(0, 4));
});

test('a flush writes what was gathered before the call returns', async () => {
  const all = await world();
  all.link.subscribe('t');
  all.client.pause();
  let sent = 0;
  // Until the kernel takes no more: from then on `buffered` shows what a flush has written.
  while (all.link.buffered() === 0) {
    publish(all, `m${sent++}`, 8 * 1024);
    expect(all.link.flush()).toBe(true);
  }
  const before = all.link.buffered();
  publish(all, `m${sent++}`, 8 * 1024);
  expect(all.link.buffered()).toBe(before);
  expect(all.link.flush()).toBe(true);
  expect(all.link.buffered()).toBeGreaterThan(before + 8 * 1024);
  all.client.resume();
  await until(() => events(all).length === sent);
  expect(events(all)).toEqual(range(0, sent));
});

test('leaving the last topic right after a publish forgets nothing, with a flush or without', async () => {
  const all = await world();
  for (const flush of [true, false]) {
    all.link.subscribe('t');
    publish(all, flush ? 'm0' : 'm1');
    if (flush) all.link.flush();
    all.link.unsubscribe('t');
    await turn();
  }
  publish(all, 'm2');
  all.link.send(bytes('end'), false);
  await until(() => all.client.received.at(-1) === 'end');
  expect(events(all)).toEqual(['m0', 'm1']);
});

test('over the limit sends are refused, and a drain says when there is room', async () => {
  const all = await stuckWorld();
  expect(all.link.send(bytes('m0'), false)).toBe(false);
  expect(all.link.buffered()).toBeGreaterThan(64 * 1024);
  expect(all.recorder.told).toEqual([]);
  all.client.resume();
  await until(() => all.recorder.told.includes('drained'));
  expect(all.link.send(bytes('m1'), false)).toBe(true);
  await until(() => events(all).length === 1);
  expect(events(all)).toEqual(['m1']);
});

test('what waits for a client that does not read is bounded', async () => {
  const all = await stuckWorld();
  for (let i = 0; i < 2_000; i += 1) {
    publish(all, `m${i}`);
    if (i % 20 === 0) await turn();
    // The limit, and the message that went over it.
    expect(all.link.buffered()).toBeLessThan(64 * 1024 + 8 * 1024 + 100);
  }
});

const phases: Record<string, (work: () => void, all: World) => void> = {
  timers: (work) => void setTimeout(work, 1),
  poll: (work, { server, recorder }) => {
    recorder.onMessage = work;
    void join(server.port).then((other) => other.socket.send('go'));
  },
  check: (work) => void setImmediate(work),
  microtask: (work) => queueMicrotask(work),
};

test.each(Object.keys(phases))(
  'a loss names the first frame of the turn only, and nothing behind it arrives (%s)',
  async (phase) => {
    const all = await stuckWorld();
    const frame = bytes('m0', 200);
    await new Promise<void>((resolve) => {
      phases[phase]!(() => {
        all.server.fanout.publish('t', frame, false);
        for (let i = 1; i < 32; i += 1) publish(all, `m${i}`);
        resolve();
      }, all);
    });
    await until(() => all.recorder.lost.length > 0);
    await turn();
    expect(all.recorder.lost).toHaveLength(1);
    expect(all.recorder.lost[0]).toBe(frame);
    all.link.unsubscribe('t');
    all.client.resume();
    await until(() => all.recorder.told.includes('drained'));
    all.link.send(bytes('end'), false);
    await until(() => all.client.received.at(-1) === 'end');
    expect(events(all)).toEqual([]);
  },
);

test('a loss within a publish is told when that call returns', async () => {
  const all = await stuckWorld();
  for (let i = 0; i < 32; i += 1) publish(all, `m${i}`);
  expect(all.recorder.lost).toHaveLength(0);
  publish(all, 'm32');
  expect(all.recorder.lost.map((frame) => text(frame).trim())).toEqual(['m0']);
  // Nothing has to wait here: uWebSockets.js is not at work any more.
  all.link.close(4408, 'too slow');
  expect(all.recorder.told).toEqual(['dropped', 'closed 4408']);
});

test('unsubscribing and closing are safe where a loss is told', async () => {
  const recorder = new Recorder();
  const server = await serve({ webSockets: [recorder] });
  for (let i = 0; i < 6; i += 1) {
    (await join(server.port)).pause();
    await choke(recorder.links[i]!);
    recorder.links[i]!.subscribe('t');
  }
  let close = false;
  recorder.onDropped = (link) => {
    link.unsubscribe('t');
    if (close) link.close(4408, 'too slow');
  };
  // Within the publish that finds 32 gathered already.
  for (let i = 0; i < 40; i += 1) server.fanout.publish('t', bytes(`m${i}`, 200), false);
  expect(recorder.lost).toHaveLength(6);
  await turn();
  await turn();
  recorder.links.forEach((link) => link.subscribe('t'));
  await Promise.all(recorder.links.map((link) => choke(link)));
  recorder.lost.length = 0;
  close = true;
  // And at the end of the turn, when microtasks run between one socket and the next.
  server.fanout.publish('t', bytes('m', 200), false);
  await until(() => recorder.told.filter((news) => news === 'closed 4408').length === 6);
  expect(recorder.lost).toHaveLength(6);
});

test('a pong that a full socket refuses is not taken for a lost message', async () => {
  const all = await stuckWorld();
  all.client.socket.ping('m0');
  await until(() => all.recorder.told.length > 0);
  await turn();
  expect(all.recorder.told).toEqual(['alive']);
});

test('a flush of a socket over its limit says that the turn decides', async () => {
  const all = await stuckWorld();
  publish(all, 'm0');
  expect(all.link.flush()).toBe(false);
  all.link.unsubscribe('t');
  expect(all.recorder.lost).toHaveLength(0);
  await until(() => all.recorder.lost.length === 1);
  expect(text(all.recorder.lost[0]!).trim()).toBe('m0');
});

test('after a close of the server a publish does nothing', async () => {
  const all = await world();
  all.link.subscribe('t');
  all.server.close();
  publish(all, 'm0');
  expect(all.recorder.told).toEqual(['closed 1006']);
});
