import { realClock } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { codecs } from './codec.ts';
import type { Codec } from './codec.ts';
import { AgentwireError } from './errors.ts';
import type { WebSocketClass } from './socket.ts';

export interface ClientOptions {
  /** `ws://` or `wss://`; `http` and `https` are taken for them. Without a path it is `/v1/ws`. */
  url: string;
  token?: string;
  /**
   * Asked before every attempt to connect, instead of `token`. `refused`: the last one was not accepted or ran out, so a
   * kept one will not do. A token refused twice in a row stops the client.
   */
  getToken?: (ask: { readonly refused: boolean }) => string | Promise<string>;
  /** Default `json`. */
  format?: 'json' | 'msgpack';
  /** Where the runtime has none (Node 20): that of `ws`. */
  WebSocket?: WebSocketClass;
  /** Attempts in a row without a connection after which the client stops. Default: never. */
  maxAttempts?: number;
  /** For `request` and `history`. Default 10,000. */
  requestTimeoutMs?: number;
  /** Publishes without an answer; one more is rejected with `busy`. The same for other requests. Default 1,000. */
  queueLimit?: number;
  /** For tests. */
  clock?: Clock;
  /** For tests: from 0 to below 1. */
  random?: () => number;
}

export interface Settings {
  readonly url: string;
  readonly token: (refused: boolean) => string | undefined | Promise<string>;
  /** Whether a refused token can be followed by another one. */
  readonly refreshes: boolean;
  readonly codec: Codec;
  readonly WebSocket: WebSocketClass;
  readonly maxAttempts: number;
  readonly requestTimeoutMs: number;
  readonly queueLimit: number;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Throws for what is a fault of the program that says `new`. */
export function settingsOf(options: ClientOptions): Settings {
  const { getToken, token, format = 'json', clock = realClock, random = Math.random } = options;
  const codec = Object.hasOwn(codecs, format) ? codecs[format] : undefined;
  if (!codec) throw new AgentwireError('bad_request', `format must be json or msgpack, not ${format}`);
  return {
    url: urlOf(options.url),
    token: getToken ? (refused) => getToken({ refused }) : () => token,
    refreshes: getToken !== undefined,
    codec,
    WebSocket: webSocketOf(options.WebSocket),
    maxAttempts: positive('maxAttempts', options.maxAttempts, Number.POSITIVE_INFINITY),
    requestTimeoutMs: positive('requestTimeoutMs', options.requestTimeoutMs, 10_000),
    queueLimit: positive('queueLimit', options.queueLimit, 1000),
    clock,
    random,
  };
}

function urlOf(text: string): string {
  if (!URL.canParse(text)) throw new AgentwireError('bad_request', `url cannot be read: ${text}`);
  const url = new URL(text);
  if (url.protocol === 'http:' || url.protocol === 'https:') url.protocol = url.protocol.replace('http', 'ws');
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    throw new AgentwireError('bad_request', `url must begin with ws:// or wss://, not ${url.protocol}`);
  }
  // A WebSocket refuses a URL with a fragment.
  url.hash = '';
  if (url.pathname === '/') url.pathname = '/v1/ws';
  return url.href;
}

function webSocketOf(given: WebSocketClass | undefined): WebSocketClass {
  const found = given ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
  if (found) return found;
  throw new AgentwireError(
    'bad_request',
    "this runtime has no WebSocket: pass one, as in `import { WebSocket } from 'ws'` and `{ url, WebSocket }`",
  );
}

function positive(name: string, value: number | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (!(value > 0)) throw new AgentwireError('bad_request', `${name} must be a number above 0`);
  return value;
}
