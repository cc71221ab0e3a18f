import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { errorTable } from '../../shared/base/errors.ts';
import type { ErrorCode } from '../../shared/base/errors.ts';
import { freePorts } from '../../deploy/local/ports.ts';
import { lacks, run, textOf } from '../support/deploy-files.ts';
import { startHaproxy } from '../support/front-door.ts';

const without = lacks('haproxy', '-v');
const patience = { timeout: 10_000, interval: 20 };

/** Stands where a gateway would, and counts what reaches it. */
class Backend {
  readonly port: number;
  readonly reached = { GET: 0, POST: 0, upgrade: 0 };
  ready = true;
  /** Refuses as a gateway does that drains, or says no to a request. */
  refuses = false;
  /** Is gone when it has read a request. */
  dies = false;
  readonly #server: Server;

  constructor(port: number) {
    this.port = port;
    const sockets = new WebSocketServer({ noServer: true });
    this.#server = createServer((request, response) => {
      if (request.url === '/readyz') return void response.writeHead(this.ready ? 200 : 503).end();
      if (request.method === 'GET' || request.method === 'POST') this.reached[request.method]++;
      if (this.dies) return void request.socket.destroy();
      response.writeHead(this.refuses ? 503 : 200).end();
    });
    this.#server.on('upgrade', (request, socket, head) => {
      this.reached.upgrade++;
      if (this.refuses) return void socket.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n');
      sockets.handleUpgrade(request, socket, head, (client) => client.send('welcome'));
    });
  }

  async start(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    onTestFinished(() => this.stop());
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

interface Balanced {
  readonly url: string;
  readonly backends: readonly [Backend, Backend];
  /** How many of the two the balancer sends clients to. */
  readonly inUse: () => Promise<number>;
}

/** The balancer of this project, before two stand-ins of gateways. */
async function balanced(): Promise<Balanced> {
  const [clients = 0, stats = 0, ...ports] = await freePorts(4);
  const backends: readonly [Backend, Backend] = [new Backend(ports[0] ?? 0), new Backend(ports[1] ?? 0)];
  for (const backend of backends) await backend.start();
  startHaproxy({ clients, stats, gateways: ports });
  const inUse = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${stats}/metrics`)).text();
    return Number(/^haproxy_backend_active_servers\{proxy="gateways"\} (\d+)/m.exec(text)?.[1]);
  };
  await vi.waitFor(async () => expect(await inUse()).toBe(2), patience);
  return { url: `127.0.0.1:${clients}`, backends, inUse };
}

async function upgrade(url: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${url}/v1/ws`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'message');
  return socket;
}

async function times<T>(count: number, what: () => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  for (let i = 0; i < count; i++) all.push(await what());
  return all;
}

it('the errors of the balancer are those of the table', () => {
  const line = /^ *http-error status (\d+) content-type application\/json string '(.*)'/gm;
  const errors = [...textOf('deploy/haproxy/haproxy.cfg').matchAll(line)].map(([, status, body = '']) => {
    const { error } = JSON.parse(body) as { error: { code: ErrorCode; message: string; retryable?: boolean } };
    return { status: Number(status), ...error };
  });
  expect(errors.map(({ status, code }) => [status, code])).toEqual([
    // The table has no status for a server behind this one.
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'timeout'],
  ]);
  expect(errors.map(({ retryable }) => retryable)).toEqual(errors.map(({ code }) => errorTable[code].retryable));
});

describe.skipIf(without)(`the balancer${without}`, () => {
  it('takes its configuration', () => {
    expect(run('haproxy', '-c', '-q', '-f', 'deploy/haproxy/haproxy.cfg')).toMatchObject({ ok: true });
  });

  it('spreads clients evenly', async () => {
    const { url, backends } = await balanced();
    await times(10, () => upgrade(url));
    expect(backends.map(({ reached }) => reached.upgrade)).toEqual([5, 5]);
  });

  it('tries another gateway where one refuses a client, before its check has shown anything', async () => {
    const { url, backends } = await balanced();
    backends[0].refuses = true;
    await times(10, () => upgrade(url));
    const statuses = await times(10, async () => (await fetch(`http://${url}/v1/cluster`)).status);
    expect(statuses).toEqual(statuses.map(() => 200));
    expect(backends[0].reached.upgrade).toBeGreaterThan(0);
    expect(backends[1].reached.upgrade).toBe(10);
  });

  it('never sends a POST twice', async () => {
    const { url, backends } = await balanced();
    for (const backend of backends) backend.refuses = true;
    const publish = async (): Promise<number> =>
      (await fetch(`http://${url}/x`, { method: 'POST', body: '{}' })).status;
    const statuses = await times(10, publish);
    expect(statuses).toEqual(statuses.map(() => 503));
    expect(backends[0].reached.POST + backends[1].reached.POST).toBe(10);
  });

  it('leaves out a gateway that is not ready, and lets it keep the clients that it has', async () => {
    const { url, backends, inUse } = await balanced();
    const sockets = await times(4, () => upgrade(url));
    backends[0].ready = false;
    await vi.waitFor(async () => expect(await inUse()).toBe(1), patience);
    await times(4, () => upgrade(url));
    expect(backends.map(({ reached }) => reached.upgrade)).toEqual([2, 6]);
    expect(sockets.filter(({ readyState }) => readyState !== WebSocket.OPEN)).toEqual([]);
  });

  it('sends a POST to another gateway where one cannot be reached, and takes that one back when it can', async () => {
    const { url, backends, inUse } = await balanced();
    backends[0].stop();
    const publish = async (): Promise<number> =>
      (await fetch(`http://${url}/x`, { method: 'POST', body: '{}' })).status;
    const statuses = await times(4, publish);
    expect(statuses).toEqual(statuses.map(() => 200));
    await vi.waitFor(async () => expect(await inUse()).toBe(1), patience);
    await backends[0].start();
    await vi.waitFor(async () => expect(await inUse()).toBe(2), patience);
  });

  it('keeps the figures of the gateways from its clients', async () => {
    const { url, backends } = await balanced();
    for (const path of ['/metrics', '/metrics?of=all']) {
      const answer = await fetch(`http://${url}${path}`);
      expect([answer.status, await answer.json()]).toEqual([
        404,
        { error: { code: 'not_found', message: 'no such route', retryable: false } },
      ]);
    }
    expect(backends.map(({ reached }) => reached.GET)).toEqual([0, 0]);
    expect((await fetch(`http://${url}/v1/topics/metrics/events`)).status).toBe(200);
  });

  it('answers in the form of the gateways where there is none', async () => {
    const { url, backends, inUse } = await balanced();
    for (const backend of backends) backend.ready = false;
    await vi.waitFor(async () => expect(await inUse()).toBe(0), patience);
    const answer = await fetch(`http://${url}/v1/cluster`);
    expect([answer.status, answer.headers.get('retry-after'), await answer.json()]).toEqual([
      503,
      '1',
      { error: { code: 'unavailable', message: 'no gateway is ready', retryable: true } },
    ]);
  });

  it('answers in the form of the gateways where one dies with a request in its hands', async () => {
    const { url, backends } = await balanced();
    for (const backend of backends) backend.dies = true;
    const answer = await fetch(`http://${url}/x`, { method: 'POST', body: '{}' });
    expect([answer.status, await answer.json()]).toEqual([
      502,
      { error: { code: 'unavailable', message: 'the gateway went away before it answered', retryable: true } },
    ]);
  });
});
