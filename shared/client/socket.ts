import type { Encoded } from './codec.ts';

/** As much of a WebSocket as is used here: a browser's, Node's and that of `ws` all fit. */
export interface WebSocketLike {
  binaryType: string;
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
  send(data: Encoded): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

export interface SocketEvents {
  open(): void;
  message(data: unknown): void;
  closed(code: number, reason: string): void;
}

/** One WebSocket, which says nothing more once it was let go. */
export class Socket {
  readonly #ws: WebSocketLike;

  constructor(WebSocket: WebSocketClass, url: string, protocol: string, events: SocketEvents) {
    const ws = new WebSocket(url, [protocol]);
    ws.binaryType = 'arraybuffer';
    ws.onopen = () => events.open();
    ws.onmessage = (event: { data: unknown }) => events.message(event.data);
    ws.onclose = (event: { code: number; reason: string }) => events.closed(event.code, event.reason);
    // It tells nothing that `close` does not, but the one of `ws` throws when nobody listens.
    ws.onerror = ignore;
    this.#ws = ws;
  }

  send(encoded: Encoded): void {
    this.#ws.send(encoded);
  }

  discard(): void {
    this.#ws.onopen = ignore;
    this.#ws.onmessage = ignore;
    this.#ws.onclose = ignore;
    this.#ws.close(1000, '');
  }
}

function ignore(): void {}
