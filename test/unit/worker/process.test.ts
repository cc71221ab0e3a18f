import { spawnSync } from 'node:child_process';
import type { SpawnSyncReturns } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startGatewayProcess, startWorkerProcess } from '../../support/gateway-process.ts';
import type { ServiceMain } from '../../support/gateway-process.ts';
import type { Http } from '../../support/in-process.ts';
import { startRedis } from '../../support/redis-server.ts';
import type { RedisServer } from '../../support/redis-server.ts';

interface Answer {
  invocation: { invocation: string; state: string; attempt: number; result: unknown; error?: unknown };
}

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** Runs the program to its end. */
function runMain(
  service: ServiceMain | 'worker',
  args: string[],
  env: Record<string, string>,
): SpawnSyncReturns<string> {
  const main = fileURLToPath(new URL(`../../../services/${service}/main.ts`, import.meta.url));
  return spawnSync(process.execPath, [main, ...args], {
    env: { PATH: process.env['PATH'] ?? '', NODE_NO_WARNINGS: '1', PORT: '0', HOST: '127.0.0.1', ...env },
    encoding: 'utf8',
    timeout: 20_000,
  });
}

async function start(http: Http, agent: string, input: unknown): Promise<string> {
  const started = await http('POST', '/v1/runs', { agent, input });
  expect(started.text).toContain('"invocation"');
  return started.json<{ invocation: string }>().invocation;
}

async function comesTo(http: Http, invocation: string, state: string): Promise<Answer['invocation']> {
  for (;;) {
    const { invocation: run } = (await http('GET', `/v1/runs/${invocation}`)).json<Answer>();
    if (run.state === state) return run;
    if (['completed', 'failed', 'cancelled'].includes(run.state)) throw new Error(`the run is ${run.state}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('the process of the worker', () => {
  it('lists its options first, and those of others after them', () => {
    const help = runMain('worker', ['--help'], {});
    expect(help.status).toBe(0);
    const [own = '', others = ''] = help.stdout.split('read by other services');
    expect(own).toContain('AGENTWIRE_WORKER_CONCURRENCY');
    expect(others).toContain('AGENTWIRE_MAX_CONNECTIONS');
  });

  it('does not start on bad settings, or without a store that it shares', () => {
    const bad = runMain('worker', [], { AGENTWIRE_WORKER_CONCURRENCY: 'all' });
    expect([bad.status, bad.stderr]).toEqual([2, expect.stringContaining('AGENTWIRE_WORKER_CONCURRENCY ')]);
    const alone = runMain('worker', [], {});
    expect([alone.status, alone.stderr]).toEqual([2, expect.stringContaining('a worker needs REDIS_URL')]);
  });

  it('gives up at once on a Redis that refuses it, and on a port that is taken', async () => {
    const refused = runMain('worker', [], { REDIS_URL: redis.url.replace('//', '//nobody:wrong@') });
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^agentwire worker cannot start: Redis at .*WRONGPASS/),
    ]);
    expect(refused.stdout).not.toContain('waiting');
    const worker = await startWorkerProcess({ REDIS_URL: redis.url });
    const second = runMain('worker', [], { REDIS_URL: redis.url, PORT: String(worker.port) });
    expect([second.status, second.stderr]).toEqual([
      1,
      expect.stringContaining(`cannot listen on 127.0.0.1:${worker.port}`),
    ]);
  });

  it('works on what a gateway is asked for, counts it, and ends with 0 on SIGTERM', async () => {
    const gateway = await startGatewayProcess({ REDIS_URL: redis.url });
    const worker = await startWorkerProcess({ REDIS_URL: redis.url, ANTHROPIC_API_KEY: 'hunter2' });
    const run = await comesTo(gateway.http, await start(gateway.http, 'echo', 'hello there'), 'completed');
    expect(run.result).toBe('hello there');
    expect((await worker.http('GET', '/metrics')).text).toContain(
      'agentwire_runs_ended_total{agent="echo",outcome="completed"} 1\n',
    );
    expect((await worker.http('GET', '/healthz')).json()).toMatchObject({ status: 'alive' });
    expect(await worker.stop()).toBe(0);
    expect(worker.output()).not.toContain('hunter2');
  });

  it('lets what it works on end, and is not ready meanwhile', async () => {
    const gateway = await startGatewayProcess({ REDIS_URL: redis.url });
    const worker = await startWorkerProcess({ REDIS_URL: redis.url, AGENTWIRE_DRAIN_MS: '600000' });
    const invocation = await start(gateway.http, 'countdown', { from: 2, intervalMs: 3_600_000 });
    await comesTo(gateway.http, invocation, 'running');
    worker.signal('SIGTERM');
    while ((await worker.http('GET', '/readyz')).status === 200);
    expect((await worker.http('GET', '/readyz')).json()).toMatchObject({ status: 'draining' });
    await gateway.http('POST', `/v1/runs/${invocation}/cancel`, {});
    expect(await comesTo(gateway.http, invocation, 'cancelled')).toMatchObject({ attempt: 1 });
    expect(await worker.exited).toBe(0);
  });

  it('hands back what does not end in time, and another one begins it again', async () => {
    const gateway = await startGatewayProcess({ REDIS_URL: redis.url });
    const worker = await startWorkerProcess({ REDIS_URL: redis.url, AGENTWIRE_DRAIN_MS: '100' });
    const invocation = await start(gateway.http, 'countdown', { from: 2, intervalMs: 3_600_000 });
    await comesTo(gateway.http, invocation, 'running');
    expect(await worker.stop()).toBe(0);
    await comesTo(gateway.http, invocation, 'queued');
    await startWorkerProcess({ REDIS_URL: redis.url });
    expect(await comesTo(gateway.http, invocation, 'running')).toMatchObject({ attempt: 2 });
  });
});

describe.each([
  ['worker', '1'],
  ['standalone', '1'],
  ['standalone', '2'],
] as const)('modules of %s in %s processes', (service, processes) => {
  const env = (): Record<string, string> => ({ REDIS_URL: redis.url, AGENTWIRE_PROCESSES: processes });

  it('stop the start with all their faults, and with nothing begun', () => {
    const faulty = runMain(service, [], { ...env(), AGENTWIRE_AGENTS: './none.js,no-such-package' });
    expect(faulty.status).toBe(2);
    expect(faulty.stderr).toContain(`agentwire ${service} cannot start:\n  AGENTWIRE_AGENTS: ./none.js: `);
    expect(faulty.stderr).toContain('\n  AGENTWIRE_AGENTS: no-such-package: ');
    expect(faulty.stdout).not.toContain('listening');
  });
});

it('the whole broker in one process runs agents of its own and of modules', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'agents-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const module = join(folder, 'mine.mjs');
  writeFileSync(
    module,
    `export default { name: 'mine', description: 'd', async *run() { void Promise.reject(new Error('lost')); yield 'hi'; } }`,
  );
  const broker = await startGatewayProcess({ AGENTWIRE_AGENTS: module }, 'standalone');
  for (const [agent, result] of [
    ['echo', 'me'],
    ['mine', 'hi'],
    ['mine', 'hi'],
  ] as const) {
    const run = await comesTo(broker.http, await start(broker.http, agent, 'me'), 'completed');
    expect(run.result).toBe(result);
  }
  const { text } = await broker.http('GET', '/metrics');
  expect(text).toContain('agentwire_runs_ended_total{agent="mine",outcome="completed"} 2\n');
  expect(text).toMatch(/^agentwire_connections 0$/m);
  expect(broker.output()).toContain('a promise was rejected, and nobody caught it');
  expect(await broker.stop()).toBe(0);
});

it('fails the run whose agent throws where nobody can catch it, and no other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'agentwire-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const module = join(folder, 'careless.mjs');
  writeFileSync(
    module,
    `import { EventEmitter } from 'node:events';
    const never = new Promise(() => {});
    const faults = {
      timer: () => setTimeout(() => { throw new Error('from a timer'); }, 1),
      tick: () => process.nextTick(() => { throw Object.assign(new Error('from a tick'), { code: 'ticked' }); }),
      emitter: () => setImmediate(() => new EventEmitter().emit('error', new Error('from an emitter'))),
    };
    export default {
      name: 'careless',
      description: 'Lets go of what it begins.',
      async *run({ input }) { yield 'before'; faults[input](); yield 'while'; await never; },
    };`,
  );
  const broker = await startGatewayProcess({ AGENTWIRE_AGENTS: module }, 'standalone');
  const other = await start(broker.http, 'countdown', { from: 3, intervalMs: 100 });
  const errors: unknown[] = [];
  for (const input of ['timer', 'tick', 'emitter']) {
    const failed = await comesTo(broker.http, await start(broker.http, 'careless', input), 'failed');
    errors.push(failed.error);
  }
  expect(errors).toEqual([
    { code: 'agent_error', message: 'from a timer' },
    { code: 'ticked', message: 'from a tick' },
    { code: 'agent_error', message: 'from an emitter' },
  ]);
  expect((await comesTo(broker.http, other, 'completed')).attempt).toBe(1);
  expect(await broker.stop()).toBe(0);
});
