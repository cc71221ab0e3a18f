import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorTable } from '../../shared/base/errors.ts';
import type { Service } from '../../shared/base/lifecycle.ts';
import type { Log } from '../../shared/observe/log.ts';
import type { MetricsPage } from '../../shared/observe/metrics-page.ts';

export interface WorkerHttpParts {
  readonly host: string;
  readonly port: number;
  readonly worker: string;
  /** `ready`, or in words why not. */
  readonly status: () => string;
  readonly metrics: MetricsPage;
  readonly log: Log;
}

/** Whoever asks slower than this is cut off: nothing here takes a client long. */
const patienceMs = 10_000;
const json = 'application/json';

/** Health and metrics of a worker that has no gateway in its process; they answer as a gateway's do. */
export class WorkerHttp implements Service {
  readonly name = 'http';
  readonly #parts: WorkerHttpParts;
  readonly #server: Server;
  /** Where it listens, once it does. */
  port = 0;

  constructor(parts: WorkerHttpParts) {
    this.#parts = parts;
    this.#server = createServer({ requestTimeout: patienceMs, keepAliveTimeout: patienceMs }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        parts.log.error('a fault at the edge', { error });
        response.destroy();
      });
    });
  }

  async start(): Promise<void> {
    const { host, port, log } = this.#parts;
    this.#server.listen({ host, port, exclusive: true });
    try {
      await once(this.#server, 'listening');
    } catch (error) {
      throw new Error(`cannot listen on ${host}:${port}: the port is taken, or the address is not of this machine`, {
        cause: error,
      });
    }
    this.port = (this.#server.address() as AddressInfo).port;
    log.info('listening', { port: this.port });
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#parts.metrics.stop();
    await Promise.resolve();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { worker, metrics } = this.#parts;
    const [path] = (request.url ?? '').split('?');
    const asks = request.method === 'GET' || request.method === 'HEAD';
    if (asks && path === '/healthz') return send(response, 200, json, JSON.stringify({ status: 'alive', worker }));
    if (asks && path === '/readyz') {
      const status = this.#parts.status();
      return send(response, status === 'ready' ? 200 : 503, json, JSON.stringify({ status, worker }));
    }
    if (asks && path === '/metrics') return send(response, 200, metrics.contentType, await metrics.render());
    const error = { code: 'not_found', message: 'no such route' };
    send(response, errorTable.not_found.status, json, JSON.stringify({ error }));
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type });
  response.end(body);
}
