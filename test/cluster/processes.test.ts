import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { join } from '../support/client.ts';
import type { TestClient } from '../support/client.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import type { GatewayProcess, ServiceMain } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

function start(env: Record<string, string> = {}, service?: ServiceMain): Promise<GatewayProcess> {
  return startGatewayProcess({ REDIS_URL: redis.url, AGENTWIRE_PROCESSES: '2', ...env }, service);
}

function childrenOf(pid: number): number[] {
  const text = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' });
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, parent, stat]) => Number(parent) === pid && !stat?.startsWith('Z'))
    .map(([child]) => Number(child))
    .filter((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('--process'));
}

interface Placed {
  client: TestClient;
  node: string;
}

/** Clients on so many different nodes: which process takes a connection is the kernel's choice. */
async function spread(port: number, nodes: number): Promise<Placed[]> {
  const placed = new Map<string, Placed>();
  while (placed.size < nodes) {
    const client = await join(port);
    const { node } = await client.request<{ node: string }>({ type: 'hello', versions: [1] });
    if (placed.has(node)) await client.close();
    else placed.set(node, { client, node });
  }
  return [...placed.values()];
}

async function metric(gateway: GatewayProcess, name: string): Promise<number> {
  const { status, text } = await gateway.http('GET', '/metrics');
  expect(status).toBe(200);
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
}

async function holds(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  await vi.waitFor(
    async () => {
      if (!(await condition())) throw new Error(`waited for: ${what}`);
    },
    { timeout: 20_000, interval: 20 },
  );
}

describe.each<ServiceMain>(['gateway', 'standalone'])('several processes of the %s', (service) => {
  it('share a port that the first one chose, and what is published on one reaches clients on all', async () => {
    const gateway = await start({ AGENTWIRE_PROCESSES: '3' }, service);
    const placed = await spread(gateway.port, 3);
    for (const { client } of placed) await client.request({ type: 'subscribe', topics: ['a.b'] });
    for (const { client, node } of placed) await client.request({ type: 'publish', topic: 'a.b', data: node });
    for (const { client } of placed) {
      const events = await client.gather(3);
      expect(events.map(({ data }) => data)).toEqual(placed.map(({ node }) => node));
    }
    expect(childrenOf(gateway.pid)).toHaveLength(3);
  });

  it('end on SIGTERM, drained, with 0 and without leaving one behind', async () => {
    const gateway = await start({ AGENTWIRE_DRAIN_MS: '500' }, service);
    const placed = await spread(gateway.port, 2);
    const children = childrenOf(gateway.pid);
    gateway.signal('SIGTERM');
    for (const { client } of placed) {
      await client.waitFor((frame) => frame.type === 'goaway');
      expect(await client.end()).toMatchObject({ code: 1001 });
    }
    expect(await gateway.exited).toBe(0);
    for (const child of children) expect(() => process.kill(child, 0)).toThrow('ESRCH');
  });
});

describe('several processes', () => {
  it('go on without one that is killed, which is started again on the same port', async () => {
    const gateway = await start({ AGENTWIRE_DRAIN_MS: '200' });
    const placed = await spread(gateway.port, 2);
    for (const { client } of placed) await client.request({ type: 'subscribe', topics: ['k.1'] });
    const before = childrenOf(gateway.pid);
    process.kill(before[0]!, 'SIGKILL');
    await holds(() => placed.some(({ client }) => client.closed), 'the clients of the killed one are cut off');
    const [survivor, ...more] = placed.filter(({ client }) => !client.closed);
    expect(more).toEqual([]);
    await holds(async () => (await gateway.http('GET', '/readyz')).status === 200, 'all are ready again');
    const after = childrenOf(gateway.pid);
    expect(after).toHaveLength(2);
    expect(after).toContain(before[1]);
    expect(after).not.toContain(before[0]);
    const again = await spread(gateway.port, 2);
    await again.find(({ node }) => node !== survivor!.node)!.client.request({ type: 'publish', topic: 'k.1', data: 1 });
    expect(await survivor!.client.gather(1)).toMatchObject([{ data: 1 }]);
    expect(survivor!.client.closed).toBeUndefined();
    expect(await gateway.stop()).toBe(0);
  });

  it('show their figures as one, and what a killed one had counted stays counted', async () => {
    const gateway = await start();
    const placed = await spread(gateway.port, 2);
    for (const { client } of placed) {
      await client.request({ type: 'subscribe', topics: ['m.1', 'm.2'] });
      for (let i = 0; i < 5; i += 1) await client.request({ type: 'publish', topic: 'm.3', data: i });
    }
    // Whichever process is asked.
    for (let i = 0; i < 8; i += 1) {
      expect(await metric(gateway, 'agentwire_connections')).toBe(2);
      expect(await metric(gateway, 'agentwire_subscriptions')).toBe(4);
      expect(await metric(gateway, 'agentwire_events_published_total')).toBe(10);
      expect(await metric(gateway, 'agentwire_engine_ready')).toBe(1);
    }
    process.kill(childrenOf(gateway.pid)[1]!, 'SIGKILL');
    await holds(async () => (await metric(gateway, 'agentwire_connections')) === 1, 'one connection is left');
    expect(await metric(gateway, 'agentwire_events_published_total')).toBe(10);
    const { text } = await gateway.http('GET', '/metrics');
    expect(text).toContain('agentwire_requests_total{type="publish",code="ok"} 10\n');
    expect(text).toContain('agentwire_request_duration_seconds_count{type="publish"} 10\n');
  });

  it('are not ready while one of them does not answer, and say so within bounds', async () => {
    const gateway = await start();
    const [frozen] = childrenOf(gateway.pid);
    process.kill(frozen!, 'SIGSTOP');
    const seen = new Set<string>();
    await holds(async () => {
      // A connection that the frozen one got is never answered.
      const answer = await fetch(`http://127.0.0.1:${gateway.port}/readyz`, {
        signal: AbortSignal.timeout(3000),
        headers: { connection: 'close' },
      }).catch(() => undefined);
      if (answer) seen.add(`${answer.status} ${((await answer.json()) as { status: string }).status}`);
      return seen.size > 0;
    }, 'an answer of the other process');
    expect([...seen]).toEqual(['503 a process does not answer']);
    process.kill(frozen!, 'SIGCONT');
    await holds(async () => (await gateway.http('GET', '/readyz')).status === 200, 'all are ready again');
  });

  it('end when their parent is killed', async () => {
    const gateway = await start({ AGENTWIRE_DRAIN_MS: '0' });
    const children = childrenOf(gateway.pid);
    await gateway.kill();
    await holds(() => {
      for (const child of children) {
        try {
          process.kill(child, 0);
          return false;
        } catch {
          // Gone.
        }
      }
      return true;
    }, 'the processes are gone');
    expect(children).toHaveLength(2);
  });

  it('end once, however often the signal reaches them', async () => {
    const gateway = await start({ AGENTWIRE_DRAIN_MS: '400' });
    const [one] = await spread(gateway.port, 1);
    for (const child of childrenOf(gateway.pid)) {
      process.kill(child, 'SIGINT');
      process.kill(child, 'SIGTERM');
    }
    gateway.signal('SIGTERM');
    expect(await one!.client.end()).toMatchObject({ code: 1001 });
    expect(await gateway.exited).toBe(0);
  });

  it('do not share the port with a stranger', async () => {
    const gateway = await start();
    await expect(start({ PORT: String(gateway.port) })).rejects.toThrow(/the port is taken/);
  });

  it('do not start when the first of them cannot', async () => {
    const failed = start({ REDIS_URL: redis.url.replace('//', '//nobody:wrong@') });
    await expect(failed).rejects.toThrow(/cannot start/);
  });
});
