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

/** What a WebSocket closes with that never was open. */
const failedCode = 1006;

/** One WebSocket, which says nothing more once it was let go. */
export class Socket {
  readonly #ws: WebSocketLike;

  constructor(WebSocket: WebSocketClass, url: string, protocol: string, events: SocketEvents) {
    const ws = new WebSocket(url, [protocol]);
    ws.binaryType = 'arraybuffer';
    let opened = false;
    let ended = false;
    const end = (code: number, reason: string): void => {
      if (ended) return;
      ended = true;
      events.closed(code, reason);
    };
    ws.onopen = () => {
      opened = true;
      events.open();
    };
    ws.onmessage = (event: { data: unknown }) => events.message(event.data);
    ws.onclose = (event: { code: number; reason: string }) => end(event.code, event.reason);
    // Node's own says no more than this of an upgrade that was refused. Later on `close` follows, and has the code.
    ws.onerror = () => {
      if (!opened) end(failedCode, 'the connection was refused');
    };
    this.#ws = ws;
  }

  send(encoded: Encoded): void {
    this.#ws.send(encoded);
  }

  discard(): void {
    this.#ws.onopen = ignore;
    this.#ws.onmessage = ignore;
    this.#ws.onclose = ignore;
    // That of `ws` throws an error that nobody listens to.
    this.#ws.onerror = ignore;
    this.#ws.close(1000, '');
  }
}

function ignore(): void {}
