import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startCluster } from '../../deploy/local/cluster.ts';
import type { LocalCluster } from '../../deploy/local/cluster.ts';
import { freePorts, isFree } from '../../deploy/local/ports.ts';
import { isRunning, signal } from '../../deploy/local/processes.ts';
import { loadState } from '../../deploy/local/state.ts';
import type { ClusterState } from '../../deploy/local/state.ts';
import { AgentwireClient } from '../../shared/client/index.ts';
import { join } from '../support/client.ts';
import { httpOf } from '../support/in-process.ts';
import { listen } from '../support/sse.ts';

const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/local/sbin:/usr/sbin` };
const missing = ['haproxy', 'redis-server'].filter((name) => spawnSync(name, ['-v'], { env }).error);
const reason = missing.length > 0 ? ` (skipped: ${missing.join(' and ')} is not installed)` : '';
const patience = { timeout: 20_000, interval: 20 };
/** Long enough for the run that is under way when it all ends. */
const shortDrain = { AGENTWIRE_DRAIN_MS: '3000' };
/** A cluster is up in 2 s on a machine that has nothing else to do. */
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

function ownFolder(): string {
  return mkdtempSync(joinPath(tmpdir(), 'agentwire-cluster-'));
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function kinds(events: readonly { data: unknown }[]): unknown[] {
  return events.map(({ data }) => (data as { kind: string }).kind);
}

async function expectGone(state: ClusterState): Promise<void> {
  expect(state.processes.filter(isRunning)).toEqual([]);
  const ports = [state.statsUrl, ...state.processes.map(({ url }) => url)].map(portOf);
  expect(await Promise.all(ports.map(isFree))).toEqual(ports.map(() => true));
}

describe.skipIf(missing.length > 0)(`a local cluster${reason}`, () => {
  let cluster: LocalCluster;
  const folder = ownFolder();
  beforeAll(async () => {
    cluster = await startCluster({ folder, gateways: 3, workers: 1, env: shortDrain });
  });
  afterAll(async () => {
    await cluster.stop();
    rmSync(folder, { recursive: true });
  });

  it('streams a run through the balancer, over a WebSocket and over SSE', async () => {
    const port = portOf(cluster.url);
    const client = await join(port);
    const { topic, invocation } = await client.request<{ topic: string; invocation: string }>({
      type: 'run',
      agent: 'echo',
      input: 'an agent at work',
    });
    const events = await client.gather(7);
    expect(kinds(events)).toEqual(['queued', 'started', 'chunk', 'chunk', 'chunk', 'chunk', 'completed']);
    expect(new Set(events.map((event) => event.topic))).toEqual(new Set([topic]));

    const sse = await listen(port, `/v1/runs/${invocation}/events`);
    await sse.end();
    expect(sse.events.map(({ data }) => data['data'])).toEqual(events.map(({ data }) => data));
  });

  it('brings what is published on one gateway to subscribers on the others', async () => {
    const [here, there] = await Promise.all(cluster.gateways.map(({ url }) => join(portOf(url))));
    await there!.request({ type: 'subscribe', topics: ['agent.*.status'] });
    const data = { agentId: '7', status: 'busy', timestamp: 1 };
    await here!.request({ type: 'publish', topic: 'agent.7.status', data });
    expect(await there!.gather(1)).toMatchObject([{ topic: 'agent.7.status', seq: 1, data }]);
  });

  it('does not share its port', async () => {
    const port = portOf(cluster.url);
    const other = startCluster({ folder: joinPath(folder, 'other'), port, gateways: 1, workers: 0 });
    await expect(other).rejects.toThrow(`port ${port} is taken`);
  });

  it('fails to start with the end of the log of what did not start, and leaves nothing behind', async () => {
    const own = joinPath(folder, 'own');
    let left: ClusterState | undefined;
    const watch = setInterval(() => (left = loadState(own) ?? left), 5);
    onTestFinished(() => clearInterval(watch));
    const start = startCluster({
      folder: own,
      gateways: 2,
      workers: 1,
      env: { ...shortDrain, AGENTWIRE_QUEUE: 'long' },
    });
    await expect(start).rejects.toThrow(
      /^(gateway|worker)-\d ended while it started\n.*\n.*(gateway|worker) cannot start:\n.*AGENTWIRE_QUEUE/,
    );
    expect(left!.processes.length).toBeGreaterThan(1);
    await expectGone(left!);
    expect(loadState(own)).toBeUndefined();
  });

  it('goes on without a gateway that is killed, whose clients come back through the balancer and miss nothing', async () => {
    const victim = cluster.gateways[2]!;
    const clients = Array.from({ length: 7 }, () => new AgentwireClient({ url: cluster.url }));
    onTestFinished(async () => void (await Promise.all(clients.map((client) => client.close()))));
    const [publisher, ...readers] = clients as [AgentwireClient, ...AgentwireClient[]];
    const seen = readers.map((): unknown[] => []);
    const back = vi.fn<() => void>();
    for (const [i, reader] of readers.entries()) {
      await reader.connect();
      await reader.subscribe('killed.gateway', ({ seq }) => seen[i]!.push(seq));
      reader.on('reconnecting', back);
    }
    const held = async (): Promise<number> => {
      const { text } = await httpOf(victim.url)('GET', '/metrics');
      return Number(/^agentwire_connections (\d+)$/m.exec(text)?.[1]);
    };
    expect(await held()).toBeGreaterThan(0);
    await publisher.connect();

    for (let i = 1; i <= 100; i += 1) {
      await publisher.publish('killed.gateway', i);
      if (i === 50) process.kill(victim.pid, 'SIGKILL');
    }
    const all = Array.from({ length: 100 }, (_, i) => i + 1);
    await vi.waitFor(() => expect(seen).toEqual(readers.map(() => all)), patience);
    expect(back).toHaveBeenCalled();
    expect(isRunning(victim)).toBe(false);
  });
});
describe.skipIf(missing.length > 0)(`the command of the local cluster${reason}`, () => {
  const main = fileURLToPath(new URL('../../deploy/local/main.ts', import.meta.url));
  const folder = ownFolder();
  let port: number;
  beforeAll(async () => {
    [port = 0] = await freePorts(1);
  });
  afterAll(async () => {
    await run('down');
    rmSync(folder, { recursive: true });
  });

  /** Resolves when the command has ended, which must not take the cluster with it. */
  function run(
    command: string,
    interruptWhen: () => boolean = () => false,
  ): Promise<{ code: number | null; output: string }> {
    return new Promise((resolve) => {
      const settings = { PORT: String(port), GATEWAYS: '2', WORKERS: '1', NODE_NO_WARNINGS: '1', ...shortDrain };
      const { PATH = '' } = process.env;
      const child = execFile(
        process.execPath,
        [main, command, folder],
        { env: { PATH, ...settings } },
        (error, out, err) => {
          clearInterval(watch);
          resolve({ code: error ? child.exitCode : 0, output: out + err });
        },
      );
      const watch = setInterval(() => {
        if (!interruptWhen()) return;
        clearInterval(watch);
        child.kill('SIGINT');
      }, 5);
    });
  }

  it('has it up, says so, and takes all of it down in order', async () => {
    expect(await run('status')).toEqual({ code: 1, output: 'There is no cluster.\n' });
    const up = await run('up');
    expect(up).toMatchObject({ code: 0, output: expect.stringMatching(/^The cluster is up\./) });
    const state = loadState(folder)!;
    expect(state.processes.map(({ name }) => name)).toEqual(['redis', 'gateway-1', 'gateway-2', 'worker-1', 'haproxy']);
    for (const { url, pid, log } of state.processes) {
      expect(up.output).toContain(url);
      expect(up.output).toContain(`pid ${pid}`);
      expect(existsSync(log)).toBe(true);
    }
    expect(await run('up')).toMatchObject({ code: 0, output: expect.stringMatching(/^The cluster is up already\./) });
    expect(loadState(folder)).toEqual(state);
    expect(await run('status')).toMatchObject({ code: 0 });

    // What a worker still finishes reaches the client that waits for it; only then must the client leave.
    const client = await join(port);
    client.onFrame = ({ type }) => type === 'goaway' && client.socket.close();
    await client.request({ type: 'run', agent: 'countdown', input: { from: 5, intervalMs: 100 } });
    await client.gather(3);
    expect(await run('down')).toEqual({ code: 0, output: 'The cluster is down.\n' });
    const last = client.frames.map(({ type, data }) => (type === 'event' ? (data as { kind: string }).kind : type));
    expect(last.slice(-2)).toEqual(['completed', 'goaway']);
    await expectGone(state);
    expect(await run('down')).toEqual({ code: 0, output: 'There is no cluster to stop.\n' });
  });

  it('keeps what Redis holds for the next one, and tells of a part that has ended', async () => {
    await run('up');
    const before = await httpOf(`http://127.0.0.1:${port}`)('POST', '/v1/topics/kept.here/publish', { data: 1 });
    await run('down');
    await run('up');
    const after = await httpOf(`http://127.0.0.1:${port}`)('POST', '/v1/topics/kept.here/publish', { data: 2 });
    expect(after.json()).toEqual({ ...before.json(), seq: 2 });

    const state = loadState(folder)!;
    const worker = state.processes.find(({ role }) => role === 'worker')!;
    signal(worker, 'SIGKILL');
    await vi.waitUntil(() => !isRunning(worker), patience);
    expect(await run('status')).toMatchObject({ code: 1, output: expect.stringMatching(/worker-1 .* has ended/) });
    expect(await run('up')).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^The cluster is up in part: stop it first\./),
    });
    await run('down');
    await expectGone(state);
  });

  it('leaves nothing behind when its start is broken off', async () => {
    let state: ClusterState | undefined;
    const broken = await run('up', () => {
      state = loadState(folder) ?? state;
      return (state?.processes.length ?? 0) > 2;
    });
    expect(broken).toEqual({ code: 1, output: 'broken off; nothing was left running\n' });
    await expectGone(state!);
    expect(loadState(folder)).toBeUndefined();
  });
});
