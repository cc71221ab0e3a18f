import { afterAll, beforeAll } from 'vitest';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { engineSuite } from '../../contracts/engine-suite.ts';
import { startCluster, type RedisCluster } from '../../support/redis-cluster.ts';

let cluster: RedisCluster;
let stores = 0;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.stop());

engineSuite('the redis engine on a cluster', () => {
  const options = {
    url: cluster.url,
    prefix: `s${stores++}`,
    historySize: 1000,
    historyTtlMs: 60_000,
    metaTtlMs: 600_000,
  };
  return Promise.resolve({
    engine: createRedisEngine(options),
    twin: () => Promise.resolve(createRedisEngine(options)),
    close: () => Promise.resolve(),
  });
});
