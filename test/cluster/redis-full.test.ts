import { Redis } from 'ioredis';
import { expect, it, onTestFinished, vi } from 'vitest';
import { join } from '../support/client.ts';
import type { TestClient } from '../support/client.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';

const patience = { timeout: 20_000, interval: 20 };

it('a Redis that is full refuses changes, which is said, counted and over when there is room; what is there can be read', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const admin = new Redis(redis.url);
  onTestFinished(() => admin.disconnect());
  const gateways = [
    await startGatewayProcess({ REDIS_URL: redis.url }),
    await startGatewayProcess({ REDIS_URL: redis.url }),
  ];
  const [one, two] = await Promise.all(gateways.map(({ port }) => join(port)));
  const publish = (client: TestClient, data: unknown) => client.ask({ type: 'publish', topic: 'a.b', data });
  await two!.request({ type: 'subscribe', topics: ['a.b'] });
  await publish(one!, 1);
  await two!.gather(1);

  await admin.config('SET', 'maxmemory', '1');
  for (let i = 0; i < 200; i++) {
    const refused = await publish(one!, 'refused');
    expect(refused).toMatchObject({
      error: { code: 'unavailable', message: expect.stringContaining('takes no changes') },
    });
  }
  // Both of them renew what says that they are alive, also where nobody publishes.
  for (const gateway of gateways) {
    await vi.waitFor(async () => {
      const { text } = await gateway.http('GET', '/metrics');
      expect(text).toMatch(/^agentwire_store_refusals_total [1-9]/m);
    }, patience);
    expect((await gateway.http('GET', '/readyz')).status).toBe(200);
    // One in ten seconds.
    expect(gateway.output().match(/refused a command:.* OOM /g)?.length).toBeLessThan(20);
  }
  const late = await join(gateways[1]!.port);
  await late.request({ type: 'subscribe', topics: [{ topic: 'a.b', since: 'earliest' }] });
  expect((await late.gather(1))[0]).toMatchObject({ data: 1 });

  await admin.config('SET', 'maxmemory', '0');
  await vi.waitFor(async () => expect(await publish(one!, 2)).toMatchObject({ type: 'ok' }), patience);
  for (const client of [two!, late]) expect((await client.gather(2)).map(({ data }) => data)).toEqual([1, 2]);
});
