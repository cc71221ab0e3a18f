import { clearTimeout, setTimeout } from 'k6/timers';
import { WebSocket } from 'k6/websockets';
import { decode, encode } from './wire.ts';
import type { Format } from './wire.ts';

export interface Push {
  readonly type: string;
  readonly topic: string;
  readonly seq: number;
  readonly epoch: string;
  readonly data: unknown;
}

interface Answer extends Push {
  readonly id: number;
  readonly result: unknown;
  readonly error: { readonly code: string; readonly message: string };
}

export interface Handlers {
  push(push: Push): void;
  /** It was open and has ended, and not by `close`. */
  lost(): void;
}

const patienceMs = 10_000;

/** A connection of the native protocol. */
export class Connection {
  readonly #socket: WebSocket;
  readonly #format: Format;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  #lastId = 0;
  #opened = false;
  #closing = false;
  #closed: () => void = () => undefined;
  readonly #gone: Promise<void>;

  private constructor(url: string, format: Format, handlers: Handlers) {
    this.#format = format;
    this.#gone = new Promise((resolve) => (this.#closed = resolve));
    const headers = { 'Sec-WebSocket-Protocol': `agentwire.v1.${format}` };
    this.#socket = new WebSocket(url, null, { headers });
    // The default is a Blob, which has to be read in a second step.
    this.#socket.binaryType = 'arraybuffer' as WebSocket['binaryType'];
    this.#socket.onmessage = (event) => this.#read(event?.data as string | ArrayBuffer, handlers);
    this.#socket.onclose = () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the connection ended'));
      this.#waiting.clear();
      this.#closed();
      if (this.#opened && !this.#closing) handlers.lost();
    };
  }

  static async open(url: string, format: Format, handlers: Handlers): Promise<Connection> {
    const connection = new Connection(url, format, handlers);
    await new Promise<void>((resolve, reject) => {
      connection.#socket.onopen = () => {
        connection.#opened = true;
        resolve();
      };
      connection.#socket.onerror = (event) => reject(new Error(`no connection: ${String(event?.error)}`));
    });
    return connection;
  }

  /** Also closed after a failure: an iteration lasts as long as its sockets. */
  static async during(
    url: string,
    format: Format,
    handlers: Handlers,
    work: (connection: Connection) => Promise<void>,
  ): Promise<void> {
    const connection = await Connection.open(url, format, handlers);
    try {
      await work(connection);
    } finally {
      await connection.close();
    }
  }

  /** Rejects with the error that was answered, after ten seconds without an answer, and when the connection ends. */
  request<T>(frame: Record<string, unknown>): Promise<T> {
    const id = ++this.#lastId;
    return new Promise<T>((resolve, reject) => {
      // Throws where the connection has ended, which rejects as well.
      this.#socket.send(encode(this.#format, { ...frame, id }));
      const impatience = setTimeout(() => reject(new Error(`no answer to ${String(frame['type'])}`)), patienceMs);
      this.#waiting.set(id, {
        resolve: (result) => {
          clearTimeout(impatience);
          resolve(result as T);
        },
        reject: (error) => {
          clearTimeout(impatience);
          reject(error);
        },
      });
    });
  }

  /** From here on nothing reaches the handlers; resolves when the socket is gone. */
  close(): Promise<void> {
    this.#closing = true;
    this.#socket.close();
    return this.#gone;
  }

  #read(data: string | ArrayBuffer, handlers: Handlers): void {
    if (this.#closing) return;
    const frame = decode(data) as Answer;
    const waiting = this.#waiting.get(frame.id);
    if (waiting === undefined) return handlers.push(frame);
    this.#waiting.delete(frame.id);
    if (frame.type === 'error') waiting.reject(new Error(`${frame.error.code}: ${frame.error.message}`));
    else waiting.resolve(frame.result);
  }
}
