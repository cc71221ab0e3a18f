import { expect, test } from 'vitest';
import { expectRun } from '../../../services/gateway/hub/expecting.ts';
import { eventsOf, expectOnceInOrder, World } from './world.ts';
import type { Client } from './world.ts';

const run = 'run.r';
const all = Number.POSITIVE_INFINITY;

/** Started a run, and has got some of what the run said by its answer: not more than the socket of one that does not read takes. */
async function attachedInPart(world: World): Promise<Client> {
  const client = world.connect();
  client.socket.reading = false;
  expectRun(world.hub, client.subscriber, run);
  world.log.publish(
    run,
    ['1', '2', '3', '4', '5', '6', '7', '8', '9'].map((data) => `{"data":${data}}`),
  );
  world.log.deliver(all);
  world.attach(client, run, undefined);
  await world.turn();
  return client;
}

test('what a run said by its answer, and the socket had no room for, is read from the log', async () => {
  const world = new World({ maxLag: 1000, ringEntries: 64, limit: 400 });
  const client = await attachedInPart(world);
  client.socket.reading = true;
  await world.rest();
  expect(eventsOf(client, run).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(client.subscriber.cursor).toBeUndefined();
});

test('where the numbering is lost before there is room for the rest, the client is told ahead of the new one', async () => {
  const world = new World({ maxLag: 1000, ringEntries: 64, limit: 400 });
  const client = await attachedInPart(world);
  world.log.rewind(run, 2);
  await world.rest();
  world.log.publish(run, ['{"data":"new"}']);
  client.socket.reading = true;
  await world.rest();
  expectOnceInOrder(client);
  const pushes = client.pushes.filter(({ topic }) => topic === run);
  expect(pushes.findIndex(({ renumbered }) => renumbered !== undefined)).toBeGreaterThan(0);
  expect(pushes.at(-1)!.body).toBe('{"data":"new"}');
});

test('what a run said in a numbering that was lost meanwhile is not sent as the beginning of the new one', async () => {
  const world = new World({ maxLag: 1000, ringEntries: 64, limit: 400 });
  const client = world.connect();
  expectRun(world.hub, client.subscriber, run);
  world.log.publish(run, ['{"data":1}', '{"data":2}']);
  world.log.deliver(all);
  world.log.rewind(run, 1);
  await world.rest();
  world.attach(client, run, undefined);
  world.log.publish(run, ['{"data":"new"}']);
  await world.rest();
  expectOnceInOrder(client);
  expect(eventsOf(client, run).map(({ body }) => body)).toEqual(['{"data":1}', '{"data":"new"}']);
});

test.each([[['x']], [['x', 'run.*']]])(
  'who starts runs without a break, and hears %j, has nothing read from the log',
  async (names) => {
    const world = new World({ maxLag: 1000, ringEntries: 4096, limit: 1e6 });
    const client = world.connect();
    void world.subscribe(
      client,
      names.map((topic) => ({ topic, since: 'latest' })),
    );
    await world.rest();
    // Requests under way at any time; what is younger than the oldest of them waits.
    const overlapping = 4;
    for (let n = 1; n <= 30; n += 1) {
      world.hush(client);
      expectRun(world.hub, client.subscriber, `run.r${n}`);
      world.log.publish(`run.r${n}`, ['{"data":1}', '{"data":2}']);
      world.log.publish('x', [`{"data":${n}}`]);
      world.log.deliver(all);
      await world.turn();
      const answered = n - overlapping;
      if (answered < 1) continue;
      world.speak(client, 'oldest');
      world.attach(client, `run.r${answered}`, undefined);
      for (let exchanges = 0; exchanges < 3; exchanges += 1) {
        world.log.answer(all);
        await world.turn();
      }
      client.socket.read();
      expect(eventsOf(client, 'x')).toHaveLength(answered);
      expect(eventsOf(client, `run.r${answered}`)).toHaveLength(2);
    }
    expectOnceInOrder(client);
    expect(client.subscriber.attached?.size).toBe(26);
    expect(world.stats.replayedEvents).toBe(0);
  },
);

test('what a topic had before the store lost it, and the cursor has yet to pass, is not sent as of the new run', async () => {
  const world = new World({ maxLag: 1000, ringEntries: 64, limit: 4000 });
  const [client, other] = [world.connect(), world.connect()];
  void world.subscribe(other, [{ topic: run, since: 'latest' }]);
  await world.rest();
  world.hush(client);
  world.log.publish(run, ['{"data":"old"}']);
  world.log.deliver(all);
  world.disconnect(other);
  world.log.lose(run);
  world.log.hear();
  expectRun(world.hub, client.subscriber, run);
  world.attach(client, run, undefined);
  await world.turn();
  world.log.publish(run, ['{"data":"new"}']);
  await world.rest();
  expect(eventsOf(client, run).map(({ body }) => body)).toEqual(['{"data":"new"}']);
});
