import type { Result } from '../../../shared/base/errors.ts';
import type { Socket } from '../hub/ports.ts';

/**
 * The seam between the gateway and the server that holds its sockets: core, dialects and HTTP routes know these
 * words only. Paths may hold parameters, each a whole segment: `/v1/topics/:topic/publish`. Everything handed over
 * in a request is a copy and stays valid.
 */
export interface Request {
  readonly path: string;
  /** Decoded; a segment that cannot be decoded stays as it came. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** '' where there is none; the name in lower case. */
  header(name: string): string;
  readonly remoteAddress: string;
}

// --- WebSockets -----------------------------------------------------------------------------------------------

export interface WebSocketRoute {
  readonly path: string;
  /** permessage-deflate, for clients that offer it. */
  readonly compression: 'off' | 'when-offered';
  /** A throw is answered with 500. A client that leaves before a promise settles is never opened. */
  upgrade(request: Request): UpgradeDecision | Promise<UpgradeDecision>;
}

export type UpgradeDecision =
  | { readonly accept: true; readonly protocol?: string; open(link: Link): LinkHandler }
  | { readonly accept: false; readonly reply: Reply };

/** One WebSocket. After the close every call does nothing, and `send` gives back false. */
export interface Link extends Socket {
  readonly remoteAddress: string;
  /** Skipped while the socket is over its limit: what waits there says as much about the client as a pong would. */
  ping(): void;
  /**
   * False: the socket is over its limit, so what native publish has gathered in this turn is decided at its end only:
   * `dropped` names it, or it is written, in order. True: it is written already, or `dropped` was told before this returns.
   */
  flush(): boolean;
}

/**
 * What a link tells. A throw is reported, and closes the link with 1011.
 *
 * Closing tells `closed` within the call of `close`, or in a later turn where it has to wait.
 */
export interface LinkHandler {
  /** The bytes are valid during the call only: what is kept, or needed after an await, must be copied. May be a little longer than `maxFrameBytes`. */
  message(bytes: Uint8Array, binary: boolean): void;
  /** What waited in the socket is written. */
  drained(): void;
  /**
   * Native publish found the socket full. `frame` is the first one lost, the very bytes that were published; what was
   * gathered for this socket behind it, up to 31 more, is lost too and not named. Whatever is published to it after
   * that may arrive again, in the same turn, too. Its topic is not known. Told right after the call that caused it
   * (`publish`, `send`, `flush`, `ping`), else at the end of the turn. Unsubscribing is safe here; publishing is not:
   * it might never return.
   */
  dropped(frame: Uint8Array): void;
  /** A ping or a pong came. */
  alive(): void;
  /** The last call, once for each link opened. */
  closed(code: number): void;
}

// --- HTTP -----------------------------------------------------------------------------------------------------

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface HttpRequest extends Request {
  readonly method: string;
  /** The whole body, empty where there is none or the route is one of GET. `payload_too_large` over the limit, `bad_request` when the client left midway. */
  body(): Promise<Result<Uint8Array>>;
}

/** HEAD is answered by the route of GET, without the body; another method on a known path with 405. */
export interface HttpRoute {
  readonly method: Method;
  readonly path: string;
  /** A throw is reported and answered with 500. */
  handle(request: HttpRequest): Reply | StreamReply | Promise<Reply | StreamReply>;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Server-sent events. The headers and a first empty comment are on their way when `stream` is called. */
export interface StreamReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  stream(sink: Socket): StreamHandler;
  /** Instead of `stream`, where there is nobody to stream to: the client left before, or asked with HEAD. */
  unused?(): void;
}

/**
 * An SSE response is a `Socket` that takes no part in native publish. It refuses from the first chunk that did not
 * fit until all is written; `buffered` is then what waits. `close` ends the response and tells nothing.
 */
export interface StreamHandler {
  drained(): void;
  /** The client went away. Not told after `close`. */
  gone(): void;
}
