import { once } from 'node:events';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket as TcpSocket } from 'node:net';
import { expect, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { ClientOptions } from 'ws';
import type { Link, LinkHandler, WebSocketRoute } from '../../../services/gateway/core/transport.ts';
import { createServer } from '../../../services/gateway/uws/server.ts';
import type { Server, ServerOptions } from '../../../services/gateway/uws/server.ts';

export interface Running extends Server {
  port: number;
  /** What was reported to `onFault`. */
  faults: unknown[];
}

export async function serve(options: Partial<ServerOptions> = {}): Promise<Running> {
  const faults: unknown[] = [];
  const server = createServer({
    host: '127.0.0.1',
    port: 0,
    maxFrameBytes: 64 * 1024,
    maxBackpressure: 64 * 1024,
    webSockets: [],
    http: [],
    notFound: (request) => ({ status: 404, body: `no ${request.path}` }),
    onFault: (error) => faults.push(error),
    ...options,
  });
  onTestFinished(() => server.close());
  const port = await server.listen();
  return { ...server, port, faults };
}

/** A route that keeps its links and notes down what they are told. */
export class Recorder implements WebSocketRoute {
  readonly path: string = '/';
  compression: WebSocketRoute['compression'] = 'off';
  readonly links: Link[] = [];
  readonly told: string[] = [];
  readonly lost: Uint8Array[] = [];
  onMessage: (link: Link, bytes: Uint8Array, binary: boolean) => void = () => {};
  onDropped: (link: Link) => void = () => {};
  onOpen: (link: Link) => void = () => {};

  upgrade(): ReturnType<WebSocketRoute['upgrade']> {
    return { accept: true, open: (link) => this.#open(link) };
  }

  #open(link: Link): LinkHandler {
    this.links.push(link);
    this.onOpen(link);
    return {
      message: (bytes, binary) => this.onMessage(link, bytes, binary),
      drained: () => void this.told.push('drained'),
      dropped: (frame) => {
        this.told.push('dropped');
        this.lost.push(frame);
        this.onDropped(link);
      },
      alive: () => void this.told.push('alive'),
      closed: (code) => void this.told.push(`closed ${code}`),
    };
  }
}

export interface Client {
  socket: WebSocket;
  /** Texts as they came. */
  received: string[];
  /** Stops reading, so that what is sent to it piles up at the server. */
  pause(): void;
  resume(): void;
  closed: Promise<{ code: number; reason: string }>;
}

export async function join(
  port: number,
  path = '/',
  options: ClientOptions = {},
  protocols: string[] = [],
): Promise<Client> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options);
  const received: string[] = [];
  socket.on('message', (data: Buffer) => received.push(data.toString()));
  socket.on('error', () => {});
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  return { socket, received, closed, pause: () => socket.pause(), resume: () => socket.resume() };
}

/** A bare connection, for what no client library would send. */
export async function dial(port: number): Promise<{ socket: TcpSocket; text: () => string }> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return { socket, text: () => text };
}

/** Waits for a condition, never for a time. */
export async function until(condition: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBe(true), { timeout: 10_000, interval: 5 });
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

export function bytes(value: string, size = 0): Uint8Array {
  return Buffer.from(value.padEnd(size, ' '));
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Sends to a client that does not read until its socket stays over the limit, whatever the kernel still takes. */
export async function choke(link: Link, limit = 64 * 1024): Promise<void> {
  const filler = bytes('filler', 8 * 1024);
  for (let stuck = 0; stuck < 50; stuck += 1) {
    while (link.send(filler, false)) stuck = 0;
    await turn();
    if (link.buffered() <= limit) stuck = 0;
  }
}

export async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
