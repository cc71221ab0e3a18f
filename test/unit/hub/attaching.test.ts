import { expect, test } from 'vitest';
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
