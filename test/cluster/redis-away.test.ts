import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { codeOf, join } from '../support/client.ts';
import type { Format, TestClient } from '../support/client.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';

const patience = { timeout: 20_000, interval: 20 };

async function world(
  durable: boolean,
): Promise<{ redis: RedisServer; gateways: GatewayProcess[]; clients: TestClient[] }> {
  const redis = await startRedis({ durable });
  onTestFinished(() => redis.stop());
  const gateways = [];
  for (let i = 0; i < 2; i += 1) gateways.push(await startGatewayProcess({ REDIS_URL: redis.url }));
  const clients = [];
  for (const { port } of gateways) {
    for (const format of ['json', 'msgpack'] as Format[]) clients.push(await join(port, { format }));
  }
  return { redis, gateways, clients };
}

/** Until all gateways are ready, or none is. */
async function waitReady(gateways: readonly GatewayProcess[], status: number): Promise<void> {
  const all = async (): Promise<number[]> =>
    Promise.all(gateways.map(async ({ http }) => (await http('GET', '/readyz')).status));
  await vi.waitFor(async () => expect(await all()).toEqual(gateways.map(() => status)), patience);
}

/** The position of an event that a gateway took, tried with the same messageId until one does. */
async function publish(client: TestClient, topic: string, data: unknown): Promise<{ seq: number; epoch: string }> {
  const messageId = `${topic} ${String(data)}`;
  return vi.waitFor(() => client.request({ type: 'publish', topic, data, messageId }), patience);
}

describe('while Redis is away', () => {
  it('requests are unavailable at once, readyz is red, connections stay, and all is well after', async () => {
    const { redis, gateways, clients } = await world(true);
    for (const client of clients) await client.request({ type: 'subscribe', topics: ['a.b', 'a.*'] });
    for (let i = 1; i <= 5; i += 1) await publish(clients[i % 4]!, 'a.b', i);
    for (const client of clients) await client.gather(5);

    await redis.kill9();
    await waitReady(gateways, 503);
    for (const { http } of gateways) {
      expect((await http('GET', '/healthz')).status).toBe(200);
      const refused = await http('POST', '/v1/topics/a.b/publish', { data: 1 });
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
      expect(refused.json()).toMatchObject({ error: { code: 'unavailable', retryable: true } });
    }
    for (const client of clients) {
      for (const request of [
        { type: 'publish', topic: 'a.b', data: 'lost' },
        { type: 'history', topic: 'a.b' },
        { type: 'subscribe', topics: [{ topic: 'a.c', since: 'earliest' }, 'new.*'] },
      ]) {
        expect(codeOf(await client.ask(request))).toBe('unavailable');
      }
      expect((await client.ask({ type: 'ping' })).type).toBe('pong');
    }
    const late = await join(gateways[0]!.port);
    expect((await late.ask({ type: 'hello', versions: [1] })).type).toBe('ok');

    await redis.restart();
    await waitReady(gateways, 200);
    for (let i = 6; i <= 10; i += 1) expect(await publish(clients[i % 4]!, 'a.b', i)).toMatchObject({ seq: i });
    // Not subscribed to by what was refused.
    await publish(clients[0]!, 'new.x', 'nobody');
    await publish(clients[0]!, 'a.b', 'end');
    for (const client of clients) {
      await client.waitFor((frame) => frame['data'] === 'end');
      expect(client.closed).toBeUndefined();
      expect(client.events.map(({ seq, data }) => [seq, data])).toEqual([
        ...Array.from({ length: 10 }, (_, i) => [i + 1, i + 1]),
        [11, 'end'],
      ]);
      expect(client.of('dropped')).toEqual([]);
    }
  }, 60_000);
});

describe('when Redis comes back without its data', () => {
  it('everybody is told of the new numbering, and events go on', async () => {
    const { redis, gateways, clients } = await world(false);
    for (const client of clients) await client.request({ type: 'subscribe', topics: ['a.b', '#'] });
    const before = [];
    for (let i = 1; i <= 5; i += 1) before.push(await publish(clients[i % 4]!, 'a.b', i));
    for (const client of clients) await client.gather(5);
    const old = before[0]!.epoch;

    await redis.restart();
    await waitReady(gateways, 200);
    const { epoch } = await publish(clients[0]!, 'a.b', 'anew');
    expect(epoch).not.toBe(old);
    for (let i = 0; i < 4; i += 1) await publish(clients[i]!, 'a.b', `after ${i}`);
    await publish(clients[3]!, 'a.b', 'end');
    for (const client of clients) {
      await client.waitFor((frame) => frame['data'] === 'end');
      const last = client.frames.findLastIndex((frame) => frame.type === 'event' && frame['epoch'] === old);
      const told = client.frames.findIndex((frame) => frame.type === 'dropped');
      const first = client.frames.findIndex((frame) => frame.type === 'event' && frame['epoch'] === epoch);
      expect(client.frames[told]).toEqual({ type: 'dropped', topic: 'a.b', epoch, reason: 'epoch' });
      expect([last < told, told < first]).toEqual([true, true]);
      const anew = client.events.filter((event) => event.epoch === epoch);
      expect(anew.map(({ data }) => data)).toEqual(['anew', 'after 0', 'after 1', 'after 2', 'after 3', 'end']);
      const seqs = anew.map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.map((_, i) => seqs[0]! + i));
      expect(client.of('dropped')).toHaveLength(1);
    }

    const back = await join(gateways[1]!.port);
    const since = { seq: 3, epoch: old };
    const { subscriptions } = await back.request<{ subscriptions: object[] }>({
      type: 'subscribe',
      topics: [{ topic: 'a.b', since }],
    });
    expect(subscriptions).toMatchObject([{ epoch, recovered: false, replay: 6 }]);
    await back.gather(6);
  }, 60_000);
});
