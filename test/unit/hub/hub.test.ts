import { expect, test, vi } from 'vitest';
import { unsubscribe } from '../../../services/gateway/hub/leaving.ts';
import type { Since } from '../../../services/gateway/hub/since.ts';
import { eventsOf, World } from './world.ts';
import type { Client } from './world.ts';

const roomy = { maxLag: 1000, ringEntries: 4096, limit: 400 };

async function settled(world: World, client: Client, topic: string): Promise<void> {
  void world.subscribe(client, [{ topic, since: 'latest' }]);
  await world.rest();
}

function publish(world: World, topic: string, count: number): void {
  world.log.publish(
    topic,
    Array.from({ length: count }, (_, i) => `{"data":${i}}`),
  );
  world.log.deliver(Number.POSITIVE_INFINITY);
}

test('an event is encoded once per format, however many receive it', async () => {
  const world = new World(roomy);
  const clients = Array.from({ length: 10 }, () => world.connect());
  for (const client of clients) await settled(world, client, 'a.b');
  const before = world.encodings;
  publish(world, 'a.b', 1);
  await world.turn();
  for (const client of clients) expect(eventsOf(client, 'a.b')).toHaveLength(1);
  expect(world.encodings - before).toBe(2);
});

test('a client that stops reading is told what it lost and has the newest events that it may lag behind', async () => {
  const world = new World({ ...roomy, maxLag: 5 });
  const slow = world.connect();
  await settled(world, slow, 'a.b');
  slow.socket.reading = false;
  for (let i = 0; i < 40; i += 1) {
    publish(world, 'a.b', 1);
    await world.turn();
  }
  const waiting = slow.socket.received.length;
  slow.socket.reading = true;
  await world.rest();
  const pushes = slow.pushes.slice(waiting).filter((push) => push.topic === 'a.b');
  const notice = pushes.find((push) => push.from !== undefined)!;
  expect(notice.to).toBe(35);
  expect(pushes.slice(pushes.indexOf(notice) + 1).map((push) => push.seq)).toEqual([36, 37, 38, 39, 40]);
  expect(world.stats.eventsDropped).toBe(notice.to! - notice.from! + 1);
});

test.each<Since>(['earliest', { seq: 0, epoch: '' }, { time: 0 }, { last: 9 }])(
  'the first events of a topic, which overtake the answer that there are none, are replayed: since %o',
  async (since) => {
    const world = new World(roomy);
    await settled(world, world.connect(), 'a.b');
    const client = world.connect();
    void world.subscribe(client, [{ topic: 'a.b', since }]);
    await world.turn();
    // Whatever it asks before it asks for heads to plan with.
    world.log.answer(Number.POSITIVE_INFINITY);
    await world.turn();
    world.log.work(Number.POSITIVE_INFINITY);
    publish(world, 'a.b', 3);
    await world.rest();
    const [answer] = client.pushes.flatMap((push) => push.answer ?? []);
    expect(answer).toMatchObject({ seq: 3, recovered: true, replay: 3 });
    expect(eventsOf(client, 'a.b').map(({ seq }) => seq)).toEqual([1, 2, 3]);
  },
);

test('what is lost of the older subscriptions brings nothing from before a new one', async () => {
  const world = new World(roomy);
  await settled(world, world.connect(), 'a.b');
  const client = world.connect();
  await settled(world, client, 'x');
  void world.subscribe(client, [{ topic: 'a.b', since: 'latest' }]);
  await world.turn();
  world.log.answer(Number.POSITIVE_INFINITY);
  await world.turn();
  client.socket.reading = false;
  // More than the socket takes, and an event of the other topic behind it, in the turn in which the answer is made.
  publish(world, 'x', 12);
  publish(world, 'a.b', 1);
  world.log.answer(Number.POSITIVE_INFINITY);
  await world.rest();
  client.socket.reading = true;
  await world.rest();
  expect(client.pushes.flatMap(({ answer }) => answer ?? []).at(-1)).toMatchObject({ topic: 'a.b', seq: 1 });
  expect(eventsOf(client, 'x')).toHaveLength(12);
  expect(eventsOf(client, 'a.b')).toHaveLength(0);
});

test('a slow client is off the fast lane and the others stay on it', async () => {
  const world = new World(roomy);
  const slow = world.connect();
  const quick = world.connect();
  await settled(world, slow, 'a.b');
  await settled(world, quick, 'a.b');
  slow.socket.reading = false;
  for (let i = 0; i < 30; i += 1) {
    publish(world, 'a.b', 1);
    await world.turn();
  }
  expect(eventsOf(quick, 'a.b')).toHaveLength(30);
  expect(world.stats.behindConnections).toBe(1);
  expect(quick.subscriber.cursor).toBeUndefined();
  slow.socket.reading = true;
  await world.rest();
  expect(eventsOf(slow, 'a.b').map((push) => push.seq)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  expect(world.stats.behindConnections).toBe(0);
});

test('an answer that the socket refused goes out before the events that follow it', async () => {
  const world = new World(roomy);
  const client = world.connect();
  await settled(world, client, 'a.b');
  client.socket.reading = false;
  for (let i = 0; i < 30; i += 1) {
    publish(world, 'a.b', 1);
    await world.turn();
  }
  const answer = new TextEncoder().encode(JSON.stringify({ topic: '', unsubscribed: [] }));
  while (client.socket.buffered() <= 400) world.hub.send(client.subscriber, answer);
  expect(world.hub.send(client.subscriber, answer)).toBe(true);
  expect(client.subscriber.outbox).toHaveLength(1);
  client.socket.reading = true;
  await world.rest();
  expect(client.subscriber.outbox).toBeUndefined();
  expect(eventsOf(client, 'a.b')).toHaveLength(30);
});

test('who lets answers gather without reading is given up', async () => {
  const world = new World(roomy);
  const client = world.connect();
  client.socket.reading = false;
  const answer = new Uint8Array(100);
  let taken = 0;
  while (taken < 10_000 && world.hub.send(client.subscriber, answer)) taken += 1;
  expect(taken).toBeLessThan(1000);
});

test('a lost last event is found by the rounds within two seconds', async () => {
  const world = new World(roomy);
  const client = world.connect();
  await settled(world, client, 'a.b');
  world.log.publish('a.b', ['{"data":1}']);
  world.log.loseLive(false);
  for (let ms = 0; ms < 2000 && eventsOf(client, 'a.b').length === 0; ms += 100) {
    world.clock.advance(100);
    world.log.answer(Number.POSITIVE_INFINITY);
    await world.turn();
  }
  expect(eventsOf(client, 'a.b')).toHaveLength(1);
});

test('leaving topics while behind costs a look at each, not at all for each', async () => {
  const world = new World(roomy);
  const client = world.connect();
  const topics = Array.from({ length: 200 }, (_, i) => `a.${i}`);
  for (const topic of topics) world.log.publish(topic, ['{"data":1}']);
  client.socket.reading = false;
  void world.subscribe(
    client,
    topics.map((topic) => ({ topic, since: 'earliest' })),
  );
  while (!client.subscriber.cursor) {
    world.log.answer(Number.POSITIVE_INFINITY);
    await world.turn();
  }
  const { cursor } = client.subscriber;
  expect(cursor.positions.size).toBe(topics.length);
  const looks = vi.spyOn(world.hub, 'matches');
  unsubscribe(world.hub, client.subscriber, topics);
  expect(looks.mock.calls.length).toBeLessThanOrEqual(topics.length);
  expect(cursor.positions.size).toBe(0);
});

test('leaving a pattern while behind forgets what nothing else covers', async () => {
  const world = new World(roomy);
  const client = world.connect();
  const topics = ['a.1', 'a.2', 'b.1'];
  for (const topic of topics) world.log.publish(topic, ['{"data":1}']);
  client.socket.reading = false;
  void world.subscribe(client, [
    { topic: 'a.*', since: 'earliest' },
    { topic: 'a.2', since: 'earliest' },
    { topic: 'b.1', since: 'earliest' },
  ]);
  while (!client.subscriber.cursor) {
    world.log.answer(Number.POSITIVE_INFINITY);
    await world.turn();
  }
  const { cursor } = client.subscriber;
  expect([...cursor.positions.keys()].toSorted()).toEqual(topics);
  unsubscribe(world.hub, client.subscriber, ['a.*']);
  expect([...cursor.positions.keys()].toSorted()).toEqual(['a.2', 'b.1']);
});

test.each([4096, 16])(
  'with a request under way at any time, a client hears what came before it (ring: %i)',
  async (ringEntries) => {
    const world = new World({ ...roomy, ringEntries, limit: 4000 });
    const client = world.connect();
    publish(world, 'a.old', 3);
    await settled(world, client, 'a.*');
    world.hush(client);
    const subscribing = world.subscribe(client, [{ topic: 'a.old', since: 'earliest' }]);
    for (let i = 0; i < 40; i += 1) {
      publish(world, 'a.b', 1);
      world.hush(client);
      world.speak(client);
      world.log.answer(Number.POSITIVE_INFINITY);
      await world.turn();
      client.socket.read();
    }
    await subscribing;
    expect(client.hushes.size).toBe(1);
    expect(eventsOf(client, 'a.old')).toHaveLength(3);
    expect(eventsOf(client, 'a.b').length).toBeGreaterThan(35);
  },
);

test.each([
  ['attaches to runs', 4096],
  ['follows more than the ring holds', 16],
])('requests that overlap without a break leave no topic unread of a client that %s', async (_, ringEntries) => {
  const world = new World({ ...roomy, ringEntries, limit: 1e6 });
  const client = world.connect();
  await settled(world, client, 'x');
  // Each is under way for that many rounds; what it waits for may wait for as many more, and is then read.
  const overlapping = 4;
  const enough = 3 * overlapping;
  for (let n = 1; n <= 60; n += 1) {
    world.hush(client);
    if (client.hushes.size > overlapping) world.speak(client, 'oldest');
    publish(world, 'x', 4);
    world.log.publish(`run.r${n}`, ['{"data":1}']);
    world.attach(client, `run.r${n}`, undefined);
    for (let exchanges = 0; exchanges < 2; exchanges += 1) {
      world.log.answer(Number.POSITIVE_INFINITY);
      await world.turn();
    }
    client.socket.read();
    expect(eventsOf(client, 'x').length, `in round ${n}`).toBeGreaterThanOrEqual(4 * (n - enough));
  }
});
