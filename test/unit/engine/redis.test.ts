import { afterAll, beforeAll } from 'vitest';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { engineSuite } from '../../contracts/engine-suite.ts';
import { startRedis, type RedisServer } from '../../support/redis-server.ts';

let server: RedisServer;
let stores = 0;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

engineSuite('the redis engine', () => {
  const options = {
    url: server.url,
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
