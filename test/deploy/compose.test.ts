import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePorts } from '../../deploy/local/ports.ts';
import { AgentwireClient } from '../../shared/client/index.ts';
import { join } from '../support/client.ts';
import { httpOf } from '../support/in-process.ts';
import type { Http } from '../support/in-process.ts';
import { root } from '../support/deploy-files.ts';
import { startRun } from '../support/run-cluster.ts';
import { listen } from '../support/sse.ts';

const reason = whyNot();
const patience = { timeout: 60_000, interval: 100 };
// Builds the image first, where it is not built yet.
const longMs = 600_000;

/** Not by itself: it builds an image, which takes its time and needs a registry or base images that are there. */
function whyNot(): string {
  if (!process.env['COMPOSE_SMOKE']) return ' (skipped: .ci/compose-smoke runs it)';
  return spawnSync('docker', ['info'], { stdio: 'ignore' }).status === 0 ? '' : ' (skipped: no Docker engine answers)';
}

describe.skipIf(reason)(`the cluster of docker-compose.yml${reason}`, () => {
  const project = `agentwire-test-${process.pid}`;
  let env: NodeJS.ProcessEnv;
  let port: number;
  let http: Http;
  let prometheus: Http;

  async function docker(...command: string[]): Promise<string> {
    const child = spawn('docker', command, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`docker ${command.join(' ')}: ${errors.slice(-2000)}`);
    return output;
  }

  function compose(...args: string[]): Promise<string> {
    return docker('compose', '--project-name', project, ...args);
  }

  async function containers(): Promise<string[]> {
    return (await compose('ps', '--quiet')).trim().split('\n');
  }

  /** What Prometheus sees of a job, up or not. */
  async function targets(job: string): Promise<number> {
    const { text } = await prometheus('GET', `/api/v1/query?query=sum(up{job="${job}"})`);
    const { data } = JSON.parse(text) as { data: { result: { value: [number, string] }[] } };
    return Number(data.result[0]?.value[1]);
  }

  beforeAll(async () => {
    const ports = await freePorts(2);
    port = ports[0] ?? 0;
    env = { ...process.env, PORT: `${port}`, PROMETHEUS_PORT: `${ports[1]}`, AGENTWIRE_DRAIN_MS: '2000' };
    http = httpOf(`http://127.0.0.1:${port}`);
    prometheus = httpOf(`http://127.0.0.1:${ports[1]}`);
    await compose('up', '--build', '--detach', '--wait');
  }, longMs);
  afterAll(async () => {
    await compose('down', '--volumes', '--timeout', '20');
  }, longMs);

  it('streams a run through the balancer', async () => {
    expect((await http('GET', '/readyz')).status).toBe(200);
    const { invocation } = await startRun(http, { agent: 'echo', input: 'an agent in a container' });
    const stream = await listen(port, `/v1/runs/${invocation}/events`);
    const kinds = (): unknown[] => stream.events.map(({ data }) => (data['data'] as { kind: string }).kind);
    await vi.waitFor(() => expect(kinds().at(-1)).toBe('completed'), patience);
    expect(kinds().slice(0, 3)).toEqual(['queued', 'started', 'chunk']);
  });

  it(
    'takes gateways that are added, and its clients survive the death of one',
    async () => {
      const before = await containers();
      await compose('up', '--detach', '--wait', '--scale', 'gateway=4');
      expect(await containers()).toEqual(expect.arrayContaining(before));
      await vi.waitFor(
        async () => expect([await targets('gateway'), await targets('worker')]).toEqual([4, 2]),
        patience,
      );
      // More than gateways, so that one of them is at the one that dies.
      const clients = Array.from({ length: 8 }, () => new AgentwireClient({ url: `http://127.0.0.1:${port}` }));
      const got = clients.map(() => [] as number[]);
      let returns = 0;
      for (const [i, client] of clients.entries()) {
        await client.connect();
        client.on('disconnected', () => returns++);
        await client.subscribe('deploy.smoke', (event) => void got[i]?.push(event.seq));
      }
      const expected: number[] = [];
      const publish = async (): Promise<void> => {
        const { status, text } = await http('POST', '/v1/topics/deploy.smoke/publish', { data: expected.length });
        expect(status).toBe(200);
        expected.push((JSON.parse(text) as { seq: number }).seq);
      };
      await publish();
      const [victim = ''] = (await compose('ps', '--quiet', 'gateway')).split('\n');
      await docker('kill', victim);
      for (let i = 0; i < 20; i++) await publish();
      await vi.waitFor(() => expect(got).toEqual(clients.map(() => expected)), patience);
      expect(returns).toBeGreaterThan(0);
      for (const client of clients) await client.close();
    },
    longMs,
  );

  it('keeps the figures of its gateways to itself', async () => {
    expect((await http('GET', '/metrics')).status).toBe(404);
  });

  it(
    'tells its clients to leave before it stops',
    async () => {
      const client = await join(port);
      client.onFrame = ({ type }) => type === 'goaway' && client.socket.close();
      await compose('stop');
      expect(client.frames.at(-1)).toMatchObject({ type: 'goaway' });
    },
    longMs,
  );
});
