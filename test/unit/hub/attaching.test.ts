import { expect, test } from 'vitest';
import { expectRun } from '../../../services/gateway/hub/expecting.ts';
import { eventsOf, World } from './world.ts';
import type { Client } from './world.ts';

const all = Number.POSITIVE_INFINITY;
/** Exchanges with the store that an attachment takes, and some more. */
const enough = 12;

async function subscribed(world: World, topic: string): Promise<Client> {
  const client = world.connect();
  void world.subscribe(client, [{ topic, since: 'latest' }]);
  await world.rest();
  return client;
}

/** One exchange with the store, and what comes of it. */
async function exchange(world: World): Promise<void> {
  world.log.deliver(all);
  world.log.answer(all);
  await world.turn();
}

test('who attaches to runs without a break gets their events, and those of other topics, all the while', async () => {
  const world = new World({ maxLag: 1000, ringEntries: 4096, limit: 1e6 });
  const client = await subscribed(world, 'x');
  for (let n = 1; n <= 40; n += 1) {
    for (let i = 0; i < 4; i += 1) {
      world.log.publish(`run.r${n}-${i}`, ['{"data":1}', '{"data":2}']);
      world.attach(client, `run.r${n}-${i}`, undefined);
    }
    // A run from before goes on while others are attached to.
    world.log.publish('run.r1-0', [`{"data":${n}}`]);
    world.log.publish('x', [`{"data":${n}}`]);
    await exchange(world);
    const settled = n - enough;
    if (settled < 1) continue;
    expect(eventsOf(client, 'x').length, `x in round ${n}`).toBeGreaterThanOrEqual(settled);
    expect(eventsOf(client, 'run.r1-0').length, `the first run in round ${n}`).toBeGreaterThanOrEqual(settled + 2);
    for (let i = 0; i < 4; i += 1) {
      expect(eventsOf(client, `run.r${settled}-${i}`).length, `a run in round ${n}`).toBeGreaterThanOrEqual(2);
    }
  }
});

const roomy = { maxLag: 1000, ringEntries: 4096, limit: 400 };
const end = '{"data":{"kind":"completed"}}';

/** What it was told of the topic, in short. */
function told(client: Client, topic: string): string[] {
  const pushes = client.pushes.filter((push) => push.topic === topic);
  return pushes.map(({ seq, renumbered }) => (renumbered === undefined ? String(seq) : `in ${renumbered}`));
}

async function following(world: World, run: string): Promise<Client> {
  const client = world.connect();
  world.attach(client, run, undefined);
  await world.rest();
  return client;
}

function expectReleased(world: World, ...clients: Client[]): void {
  for (const { subscriber } of clients) {
    expect([subscriber.attached, subscriber.owed, subscriber.subscriptions.size]).toEqual([undefined, undefined, 0]);
  }
  expect(world.hub.subscriptions.size).toBe(0);
}

test('who is attached to a run that its store has lost is told so once, and the attachment ends', async () => {
  const world = new World(roomy);
  world.log.publish('run.r', ['{"data":1}', '{"data":2}']);
  const clients = [await following(world, 'run.r'), await following(world, 'run.r')];
  const [, slow] = clients;
  slow!.socket.reading = false;
  // Behind by the time of the loss, with more than its socket takes.
  world.log.publish(
    'run.r',
    Array.from({ length: 30 }, (_, i) => `{"data":${i}}`),
  );
  world.log.deliver(all);
  await world.turn();
  expect(slow!.subscriber.cursor).toBeDefined();
  world.log.lose('run.r');
  await world.rest();
  for (const client of clients) expect(told(client, 'run.r').filter((what) => what.startsWith('in'))).toEqual(['in ']);
  expect(told(clients[0]!, 'run.r').at(-1)).toBe('in ');
  expectReleased(world, ...clients);
});

test('a run whose numbering has run out goes on, and what it says next is told as of another one', async () => {
  const world = new World(roomy);
  world.log.publish('run.r', ['{"data":1}', '{"data":2}']);
  const clients = [await following(world, 'run.r'), await subscribed(world, 'run.r')];
  world.log.runOut('run.r');
  await world.rest();
  // With nothing missed, and from the beginning.
  for (const after of [2, undefined]) {
    const late = world.connect();
    world.attach(late, 'run.r', after);
    clients.push(late);
  }
  await world.rest();
  expect(clients.map((client) => told(client, 'run.r'))).toEqual([['1', '2'], [], [], []]);
  world.log.publish('run.r', ['{"data":3}', end]);
  await world.rest();
  const next = [`in ${world.log.topics.get('run.r')!.epoch}`, '1', '2'];
  const [first, named, ...late] = clients.map((client) => told(client, 'run.r'));
  expect([first, named]).toEqual([['1', '2', ...next], next]);
  for (const each of late) expect(each.slice(-2)).toEqual(['1', '2']);
  world.unsubscribe(clients[1]!, 'run.r');
  expectReleased(world, ...clients);
});

test('who was too slow for events that ran out with their numbering is told which, and follows the run on', async () => {
  const world = new World({ ...roomy, ringEntries: 64 });
  world.log.publish('run.r', ['{"data":1}']);
  const slow = await following(world, 'run.r');
  slow.socket.reading = false;
  // More than the ring holds, so that they are to be had from the log only.
  for (let n = 2; n <= 120; n += 1) {
    world.log.publish('run.r', [`{"data":${n}}`]);
    world.log.deliver(all);
    await world.turn();
  }
  world.log.runOut('run.r');
  await world.rest();
  expect(slow.pushes.at(-1)).toMatchObject({ topic: 'run.r', to: 120 });
  world.log.publish('run.r', ['{"data":121}']);
  await world.rest();
  expect(told(slow, 'run.r').slice(-2)).toEqual([`in ${world.log.topics.get('run.r')!.epoch}`, '1']);
});

test('a run that goes on without a numbering is told to be gone once it is', async () => {
  const world = new World(roomy);
  world.log.publish('run.r', ['{"data":1}']);
  const clients = [await following(world, 'run.r')];
  world.log.runOut('run.r');
  await world.rest();
  clients.push(await following(world, 'run.r'));
  world.log.lose('run.r');
  await world.rest();
  expect(clients.map((client) => told(client, 'run.r'))).toEqual([['1', 'in '], ['in ']]);
  expectReleased(world, ...clients);
});

test('the end of a run that says nothing else is not lost between the questions whether it goes on', async () => {
  for (const before of [1, 2, 3, 4, 5, 6]) {
    const world = new World(roomy);
    world.log.publish('run.r', ['{"data":1}']);
    const client = await following(world, 'run.r');
    world.log.runOut('run.r');
    world.clock.advance(1100);
    for (let question = 0; question < before; question += 1) {
      world.log.answer();
      await world.turn();
    }
    world.log.publish('run.r', [end]);
    world.log.loseLive(false);
    await world.rest();
    const next = `in ${world.log.topics.get('run.r')!.epoch}`;
    expect(told(client, 'run.r'), `after ${before} answers`).toEqual(['1', next, '1']);
    expectReleased(world, client);
  }
});

test('one that is lost before the node has heard anything of it is told of, too', async () => {
  const world = new World(roomy);
  const client = world.connect();
  expectRun(world.hub, client.subscriber, 'run.r');
  await world.turn();
  world.log.publish('run.r', ['{"data":1}']);
  world.attach(client, 'run.r', undefined);
  await world.turn();
  expect(client.subscriber.attached?.has('run.r')).toBe(true);
  world.log.lose('run.r');
  await world.rest();
  expect(told(client, 'run.r')).toEqual(['in ']);
  expectReleased(world, client);
});

test('one that is lost between the question for it and the attachment leaves nothing behind', async () => {
  const world = new World(roomy);
  world.log.publish('run.r', ['{"data":1}', '{"data":2}']);
  const client = world.connect();
  world.attach(client, 'run.r', 2);
  world.log.lose('run.r');
  world.log.hear();
  await world.rest();
  expect(told(client, 'run.r')).toEqual(['in ']);
  expectReleased(world, client);
});

test('a run that ends at the very number which a lost numbering had for it is told from its beginning', async () => {
  const world = new World(roomy);
  world.log.publish('run.r', ['{"data":1}']);
  const client = world.connect();
  // Of the numbering that is no more: in the present one it is the number of the end, which is still to come.
  world.attach(client, 'run.r', 2);
  world.log.publish('run.r', [end]);
  await world.rest();
  expect(told(client, 'run.r')).toEqual(['1', '2']);
  expectReleased(world, client);
});

test('who subscribed to the topic of a run by its name is told as well; of other topics the next event tells', async () => {
  const world = new World(roomy);
  const topics = ['run.r', 'a.b', 'x.y'];
  const clients = [await subscribed(world, 'run.r'), await subscribed(world, 'a.b'), await subscribed(world, 'x.*')];
  const toldOf = (): string[][] => clients.map((client, i) => told(client, topics[i]!));
  for (const topic of topics) world.log.publish(topic, ['{"data":1}']);
  await world.rest();
  for (const topic of topics) world.log.lose(topic);
  await world.rest();
  expect(toldOf()).toEqual([['1', 'in '], ['1'], ['1']]);
  for (const topic of topics) world.log.publish(topic, ['{"data":2}']);
  await world.rest();
  const [run, ...others] = topics.map((topic) => `in ${world.log.topics.get(topic)!.epoch}`);
  expect(toldOf()).toEqual([['1', 'in ', run, '1'], ...others.map((epoch) => ['1', epoch, '1'])]);
});
