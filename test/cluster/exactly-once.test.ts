import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { join } from '../support/client.ts';
import type { Format } from '../support/client.ts';
import { Follower } from '../support/follower.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { Publisher } from '../support/publisher.ts';
import { stores } from '../support/stores.ts';
import type { Store } from '../support/stores.ts';

const topics = ['t.1', 't.2', 't.3', 't.deep.4'];
const perPublisher = 500;
const subscriptions = [topics, ['t.*', 't.deep.*'], ['#'], ['t.1', 't.#', '#', 't.*', 't.deep.4']];

interface World {
  gateways: GatewayProcess[];
  /** Of the gateways that followers may go to. */
  ports: number[];
  admins: Redis[];
  publishers: Publisher[];
  followers: Follower[];
}

async function world(start: () => Promise<Store>): Promise<World> {
  const redis = await start();
  onTestFinished(() => redis.stop());
  const env = { REDIS_URL: redis.url, AGENTWIRE_HISTORY_SIZE: '10000' };
  const gateways = [await startGatewayProcess(env), await startGatewayProcess(env)];
  const admins = redis.servers.map((url) => new Redis(url));
  onTestFinished(() => admins.forEach((admin) => admin.disconnect()));
  const ports = gateways.map(({ port }) => port);
  const formats: Format[] = ['json', 'msgpack'];
  const followers = formats.flatMap((format) => subscriptions.map((names) => new Follower(ports, names, format)));
  for (const follower of followers) await follower.connect();
  const publishers = await Promise.all(
    ports.map(async (port, i) => new Publisher(await join(port, { format: formats[i]! }), `p${i}`)),
  );
  return { gateways, ports, admins, publishers, followers };
}

/** Publishes from all sides, and does `harm` again and again until all is published; then everybody must have everything. */
async function endure(made: World, harm: (round: number) => Promise<void>): Promise<number> {
  let publishing = made.publishers.length;
  const load = made.publishers.map(async (publisher) => {
    while (publisher.count < perPublisher) await publisher.publish(topics[Math.floor(Math.random() * topics.length)]!);
    publishing -= 1;
  });
  let rounds = 0;
  while (publishing > 0) await harm((rounds += 1));
  await Promise.all(load);
  await expectAll(made);
  return rounds;
}

async function expectAll({ gateways, publishers, followers, ports }: World): Promise<void> {
  const reader = await join(ports[0]!);
  await vi.waitUntil(async () => (await gateways[0]!.http('GET', '/readyz')).status === 200, { timeout: 10_000 });
  const kept = new Map<string, unknown[]>();
  for (const topic of topics) {
    const events: { seq: number; data: unknown }[] = [];
    for (let more = true; more;) {
      const page = await reader.request<{ events: typeof events; more: boolean }>({
        type: 'history',
        topic,
        after: events.length,
        limit: 1000,
      });
      events.push(...page.events);
      more = page.more;
    }
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    kept.set(
      topic,
      events.map(({ data }) => data),
    );
  }
  // Each acknowledged event is there once, in the order of its publisher.
  for (const { name, acked } of publishers) {
    for (const [topic, data] of acked) {
      expect(kept.get(topic)!.filter((each) => String(each).startsWith(`${name} `))).toEqual(data);
    }
  }
  for (const follower of followers) {
    await follower.reach(perPublisher * publishers.length);
    expect([follower.names, follower.faults, follower.notices]).toEqual([follower.names, [], []]);
    for (const topic of topics) expect(follower.seen.get(topic)).toEqual(kept.get(topic));
  }
}

async function kill({ admins }: World, type: 'pubsub' | 'normal'): Promise<number> {
  const killed = await Promise.all(
    admins.map(async (admin) => Number(await admin.call('CLIENT', 'KILL', 'TYPE', type))),
  );
  return killed.reduce((sum, count) => sum + count, 0);
}

/** A way to a gateway and back: so much is published meanwhile. */
const turn = ({ publishers }: World): Promise<unknown> => publishers[0]!.client.ask({ type: 'ping' });

const one = <T>(all: readonly T[]): T => all[Math.floor(Math.random() * all.length)]!;

describe.each(stores)('two gateways on $name deliver exactly once and in order', ({ start }) => {
  it('to clients that are cut at random and come back by since, to either', async () => {
    const made = await world(start);
    await endure(made, async () => one(made.followers).reconnect());
    expect(made.followers.reduce((sum, { cuts }) => sum + cuts, 0)).toBeGreaterThan(8);
  }, 60_000);

  it('while the connections by which they hear of events are killed', async () => {
    const made = await world(start);
    let killed = 0;
    await endure(made, async (round) => {
      killed += await kill(made, 'pubsub');
      await turn(made);
      if (round % 5 === 0) await one(made.followers).reconnect();
    });
    expect(killed).toBeGreaterThan(2);
  }, 60_000);

  it('while all of their connections to Redis are killed', async () => {
    const made = await world(start);
    let killed = 0;
    let next = 100;
    await endure(made, async () => {
      if (made.publishers[0]!.count >= next) {
        next += 100;
        killed += await kill(made, 'normal');
        killed += await kill(made, 'pubsub');
      }
      await turn(made);
    });
    expect(killed).toBeGreaterThan(4);
  }, 60_000);

  it('to clients of a gateway that is killed and go on with the other', async () => {
    const made = await world(start);
    const [first, second] = made.gateways;
    // Its publisher has nobody to send to; the other's goes on.
    const publishers = [made.publishers[0]!];
    let killed = false;
    await endure({ ...made, publishers }, async () => {
      if (publishers[0]!.count > perPublisher / 2 && !killed) {
        killed = true;
        await second!.kill();
        made.ports.splice(0, 2, first!.port);
      }
      for (const follower of made.followers) if (follower.client?.closed) await follower.reconnect();
      await turn(made);
    });
    expect(killed).toBe(true);
  }, 60_000);
});
