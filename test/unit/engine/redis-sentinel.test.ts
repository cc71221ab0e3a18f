import { afterAll, beforeAll } from 'vitest';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { engineSuite } from '../../contracts/engine-suite.ts';
import { startSentinel, type SentinelSet } from '../../support/redis-sentinel.ts';

let sentinels: SentinelSet;
let stores = 0;

beforeAll(async () => {
  sentinels = await startSentinel();
});
afterAll(() => sentinels.stop());

engineSuite('the redis engine behind a sentinel', () => {
  const options = {
    url: sentinels.url,
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
