import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { realClock } from '../../../shared/base/clock.ts';
import { Swarms } from '../../../shared/domain/swarms/swarms.ts';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { until } from '../../contracts/engine-bench.ts';
import { startRedis } from '../../support/redis-server.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { alice, got } from './runs-bench.ts';
import { newProposal } from './swarms-bench.ts';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

test('a swarm that decided once leaves nothing behind in Redis when the time of its proposal is over', async () => {
  const keptMs = 2000;
  const engine = createRedisEngine({ url: server.url, historySize: 10, historyTtlMs: keptMs, metaTtlMs: keptMs });
  await engine.start();
  const redis = new Redis(server.url);
  const options = { maxFrameBytes: 10_000, metaTtlS: keptMs / 1000 };
  const swarms = new Swarms({ engine, clock: realClock, options });
  const keys = async (): Promise<string[]> => (await redis.keys('*')).filter((key) => key.includes('swarm.'));
  await got(swarms.propose(alice, newProposal({ quorum: 1 })));
  expect((await keys()).length).toBeGreaterThan(0);
  await got(swarms.vote('s', 'p', { voter: 'a', vote: 'yes' }));
  await until(async () => expect(await keys()).toEqual([]));
  redis.disconnect();
  await engine.stop();
});
