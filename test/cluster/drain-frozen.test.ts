import { expect, it, onTestFinished } from 'vitest';
import { join } from '../support/client.ts';
import { startGatewayProcess, startWorkerProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';
import { startRun } from '../support/run-cluster.ts';
import { whenRun } from '../support/run-history.ts';

it('a gateway and a worker end in time with a Redis that does not answer any more', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const env = { REDIS_URL: redis.url, AGENTWIRE_DRAIN_MS: '500' };
  const [gateway, worker] = await Promise.all([startGatewayProcess(env), startWorkerProcess(env)]);
  const { invocation } = await startRun(gateway.http, {
    agent: 'countdown',
    input: { from: 9, intervalMs: 3_600_000 },
  });
  await whenRun(gateway.http, invocation, ({ state }) => state === 'running');
  const client = await join(gateway.port);
  await client.request({ type: 'subscribe', topics: ['a.b'] });
  redis.freeze();
  client.send({ type: 'publish', topic: 'a.b', data: 1, id: 'lost' });
  gateway.signal('SIGTERM');
  worker.signal('SIGTERM');
  // The request that was under way has its answer, whatever that is worth.
  expect(await client.answerTo('lost')).toMatchObject({ type: 'error', error: { code: 'unavailable' } });
  expect(await client.end()).toMatchObject({ code: 1001 });
  expect(await Promise.all([gateway.exited, worker.exited])).toEqual([0, 0]);
}, 60_000);
