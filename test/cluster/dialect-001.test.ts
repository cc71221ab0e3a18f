import { expect, onTestFinished, test } from 'vitest';
import { join } from '../support/client.ts';
import type { Frame, TestClient } from '../support/client.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';

const perFeeder = 300;

async function onRedis(): Promise<{ REDIS_URL: string }> {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  return { REDIS_URL: redis.url };
}

async function watch({ port }: GatewayProcess, filters: Record<string, string>): Promise<TestClient> {
  const client = await join(port, { path: '/visualization/ws', bare: true });
  client.sendAsIs({ type: 'subscribe', channels: ['events', 'metrics'], filters });
  client.sendAsIs({ type: 'ping' });
  await client.waitFor(({ type }) => type === 'pong');
  return client;
}

const came = (client: TestClient, count: number): Promise<void> =>
  client.until(() => client.of('event').length === count, `${count} events`);

test('what is fed to either gateway comes to all, in one order, and stays', { timeout: 120_000 }, async () => {
  const env = await onRedis();
  const gateways = await Promise.all([startGatewayProcess(env), startGatewayProcess(env)]);
  const [one, other] = gateways;
  const viewers = await Promise.all(gateways.map((gateway) => watch(gateway, {})));
  const some = await Promise.all(gateways.map((gateway) => watch(gateway, { agent_id: 'a.1', event_type: 'even' })));
  const feed = async (gateway: GatewayProcess, name: string): Promise<void> => {
    for (let n = 0; n < perFeeder; n += 3) {
      const three = [n, n + 1, n + 2].map((i) => ({
        name,
        n: i,
        agent_id: `a.${i % 3}`,
        event_type: i % 2 ? 'odd' : 'even',
      }));
      const answer = await gateway.http('POST', '/visualization/events', three);
      expect(answer.json()).toEqual({ stored: 3 });
    }
  };
  await Promise.all([feed(one, 'left'), feed(other, 'right')]);
  await Promise.all(viewers.map((viewer) => came(viewer, 2 * perFeeder)));
  const order = viewers[0]!.of('event');
  expect(viewers[1]!.of('event')).toEqual(order);
  const numbers = order.map(({ data }) => data as { name: string; n: number });
  for (const feeder of ['left', 'right']) {
    const own = numbers.filter(({ name }) => name === feeder).map(({ n }) => n);
    expect(own).toEqual(Array.from({ length: perFeeder }, (_, n) => n));
  }
  // What was posted together stands together.
  expect(numbers.every(({ name, n }, i) => n % 3 === 0 || numbers[i - 1]!.name === name)).toBe(true);

  const passing = order.filter(({ data }) => {
    const { agent_id, event_type } = data as Record<string, string>;
    return agent_id === 'a.1' && event_type === 'even';
  });
  await Promise.all(some.map((viewer) => came(viewer, passing.length)));
  for (const viewer of some) expect(viewer.of('event')).toEqual(passing);

  await one.kill();
  const path = '/visualization/events?agent_id=a.1&event_type=even&limit=1000';
  expect((await other.http('GET', path)).json<{ data: Frame[] }>().data).toEqual(passing);
  await viewers[1]!.until(() => viewers[1]!.of('metrics').length > 0, 'figures');
});

test('a gateway that is killed while it is fed leaves whole batches', { timeout: 120_000 }, async () => {
  const env = await onRedis();
  const [fed, other] = await Promise.all([startGatewayProcess(env), startGatewayProcess(env)]);
  const size = 50;
  const batches = Array.from({ length: 40 }, (_, batch) => Array.from({ length: size }, (_, n) => ({ batch, n })));
  const viewer = await watch(other, {});
  const posts = batches.map((batch) =>
    fed.http('POST', '/visualization/events', batch).then(
      ({ status }) => status,
      () => 0,
    ),
  );
  await viewer.until(() => viewer.of('event').length > 0, 'the first of it');
  await fed.kill();
  const answered = await Promise.all(posts);
  const history = await other.http('GET', '/visualization/events?limit=1000');
  const { data: kept } = history.json<{ data: { data: { batch: number; n: number } }[] }>();
  // The history begins somewhere in the middle of what was fed, where the channel keeps no more.
  for (const [i, { data: at }] of kept.entries()) {
    const next = kept[i + 1]?.data;
    if (at.n < size - 1) expect(next).toEqual({ batch: at.batch, n: at.n + 1 });
    else if (next) expect(next.n).toBe(0);
  }
  // Of what was answered nothing is missing, unless the channel has let go of it since.
  const there = new Set(kept.map((message) => message.data.batch));
  const lost = answered.flatMap((status, batch) => (status === 200 && !there.has(batch) ? batch : []));
  expect(kept.length === 1000 ? [] : lost).toEqual([]);
});
