import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { join } from '../support/client.ts';
import { startGatewayProcess, startWorkerProcess } from '../support/gateway-process.ts';
import type { ServiceProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { hasEnded, whenRun } from '../support/run-history.ts';
import { startRun } from '../support/run-cluster.ts';
import { listen } from '../support/sse.ts';

const promtool = spawnSync('promtool', ['--version']).error === undefined;

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** Of every kind: what was never counted shows no row, and a row is what the checks are about. */
async function traffic({ port, http }: ServiceProcess): Promise<void> {
  for (const format of ['json', 'msgpack'] as const) {
    const client = await join(port, { format });
    await client.request({ type: 'hello', versions: [1] });
    await client.request({ type: 'subscribe', topics: ['a.b', { topic: 'a.#', since: 'earliest' }] });
    await client.request({ type: 'publish', topic: 'a.b', data: { of: format } });
    await client.gather(1);
    await client.refusal({ type: 'publish', topic: 'run.x', data: 1 });
    await client.close();
  }
  const abusive = await join(port);
  for (let i = 0; i < 10; i += 1) abusive.socket.send('{');
  await abusive.end();
  const stream = await listen(port, '/v1/topics/a.b/events?after=0');
  await stream.gather(2);
  for (const path of ['/', '/visualization/ws', '/api/v1/sessions/s1/run/ws', '/ws']) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    await once(socket, 'open');
    socket.close();
    await once(socket, 'close');
  }
  await http('POST', '/v1/sessions', { session: 's2' });
  await http('POST', '/v1/sessions/s2/checkpoints', {});
  for (const agent of ['echo', 'fail']) {
    const { invocation } = await startRun(http, { agent, input: 'hello there' });
    await whenRun(http, invocation, hasEnded);
  }
}

async function pageOf({ http }: ServiceProcess): Promise<string> {
  const { status, text } = await http('GET', '/metrics');
  expect(status).toBe(200);
  return text;
}

function expectFlawless(page: string): void {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
}

describe.runIf(promtool)('promtool finds nothing to say about what is served after traffic of every kind', () => {
  it.each(['1', '2'])('by a gateway of %s processes, and a worker', async (processes) => {
    const gateway = await startGatewayProcess({ REDIS_URL: redis.url, AGENTWIRE_PROCESSES: processes });
    const worker = await startWorkerProcess({ REDIS_URL: redis.url });
    await traffic(gateway);
    const page = await pageOf(gateway);
    expectFlawless(page);
    for (const row of [
      /^agentwire_connections_closed_total\{reason="protocol_abuse"\} 1$/m,
      /^agentwire_connections_opened_total\{dialect="native"\} \d+$/m,
      /^agentwire_requests_total\{type="publish",code="forbidden"\} 2$/m,
      /^agentwire_delivered_bytes_total [1-9]\d*$/m,
      /^agentwire_received_bytes_total [1-9]\d*$/m,
      /^agentwire_queue_runs\{state="waiting"\} \d+$/m,
      /^agentwire_store_round_trip_seconds_count [1-9]\d*$/m,
      /^agentwire_build_info\{version="[^"]+"\} 1$/m,
    ]) {
      expect(page).toMatch(row);
    }
    const ofWorker = await pageOf(worker);
    expectFlawless(ofWorker);
    expect(ofWorker).toContain('agentwire_runs_ended_total{agent="echo",outcome="completed"} 1\n');
    expect(ofWorker).toContain('agentwire_runs_ended_total{agent="fail",outcome="failed"} 1\n');
  });

  it('by the whole broker in one process', async () => {
    const broker = await startGatewayProcess({}, 'standalone');
    await traffic(broker);
    const page = await pageOf(broker);
    expectFlawless(page);
    expect(page).toContain('agentwire_runs_ended_total{agent="echo",outcome="completed"} 1\n');
  });
});

it('a scrape does not wait for a Redis that is away', async () => {
  const away = await startRedis();
  const gateway = await startGatewayProcess({ REDIS_URL: away.url });
  const worker = await startWorkerProcess({ REDIS_URL: away.url });
  await away.stop();
  for (const service of [gateway, worker]) {
    while (!(await pageOf(service)).includes('agentwire_engine_ready 0\n'));
    expect((await service.http('GET', '/readyz')).status).toBe(503);
  }
});
