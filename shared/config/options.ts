import { longestMs, oneOf, origins, redisUrl, text, tokens, whole } from './kinds.ts';
import type { Kind } from './kinds.ts';

export type ServiceName = 'gateway' | 'standalone';

/** One setting. Its environment variable, its checks, its line of help and its type all come from here. */
export interface Option<T> {
  readonly env: string;
  readonly kind: Kind<T>;
  readonly fallback: T;
  readonly help: string;
  readonly readBy: readonly ServiceName[];
}

const gateways: readonly ServiceName[] = ['gateway', 'standalone'];

function option<T>(env: string, kind: Kind<T>, fallback: NoInfer<T>, help: string): Option<T> {
  return { env, kind, fallback, help, readBy: gateways };
}

function optional<T>(env: string, kind: Kind<T>, help: string): Option<T | undefined> {
  return { env, kind, fallback: undefined, help, readBy: gateways };
}

const mebibyte = 1_048_576;
const tenYearsS = 315_360_000;

export const options = {
  port: option('PORT', whole(0, 65_535), 8080, 'Port of everything: WebSockets, HTTP and metrics. 0 takes a free one.'),
  host: option('HOST', text, '0.0.0.0', 'Address to listen on.'),
  redisUrl: optional(
    'REDIS_URL',
    redisUrl,
    'The Redis that the cluster shares. Unset: the embedded engine, one process.',
  ),
  processes: option(
    'AGENTWIRE_PROCESSES',
    whole(1, 256),
    1,
    'Gateway processes that share the port, one a core at most. More than 1 needs REDIS_URL.',
  ),

  auth: option('AGENTWIRE_AUTH', oneOf('none', 'token'), 'none', 'How clients prove who they are.'),
  tokens: option('AGENTWIRE_TOKENS', tokens, [], 'The tokens that are accepted where AGENTWIRE_AUTH is token.'),
  authTimeoutMs: option(
    'AGENTWIRE_AUTH_TIMEOUT_MS',
    whole(1, longestMs),
    10_000,
    'How long a new connection may take to authenticate.',
  ),
  allowedOrigins: option(
    'AGENTWIRE_ALLOWED_ORIGINS',
    origins,
    [],
    'Web origins whose pages may connect. Unset: all of them.',
  ),

  maxConnections: option(
    'AGENTWIRE_MAX_CONNECTIONS',
    whole(1, 10_000_000),
    100_000,
    'Connections of one process; more are refused with 503.',
  ),
  maxFrameBytes: option(
    'AGENTWIRE_MAX_FRAME_BYTES',
    whole(1024, 64 * mebibyte),
    mebibyte,
    'The largest frame or body that a client may send.',
  ),
  maxSubscriptions: option(
    'AGENTWIRE_MAX_SUBSCRIPTIONS',
    whole(1, 1_000_000),
    1000,
    'Topics and patterns that one connection may subscribe to.',
  ),
  rateMessages: option(
    'AGENTWIRE_RATE_MESSAGES',
    whole(0, 1_000_000),
    0,
    'Requests a second that one connection may send. 0: no limit.',
  ),
  maxInflight: option(
    'AGENTWIRE_MAX_INFLIGHT',
    whole(1, 100_000),
    64,
    'Requests of one connection that are worked on at once.',
  ),

  queue: option('AGENTWIRE_QUEUE', whole(1, 1_000_000), 1000, 'Events that a slow client may lag behind, per topic.'),
  historySize: option('AGENTWIRE_HISTORY_SIZE', whole(1, 10_000_000), 1000, 'Events that are kept per topic.'),
  historyTtlS: option('AGENTWIRE_HISTORY_TTL_S', whole(1, tenYearsS), 3600, 'How long events are kept, in seconds.'),
  metaTtlS: option(
    'AGENTWIRE_META_TTL_S',
    whole(1, tenYearsS),
    2_592_000,
    'How long the numbering of a topic outlives its events, in seconds.',
  ),
  minReplicas: option(
    'AGENTWIRE_MIN_REPLICAS',
    whole(0, 100),
    0,
    'Redis replicas that must have a publish before it is acknowledged.',
  ),

  heartbeatMs: option('AGENTWIRE_HEARTBEAT_MS', whole(10, longestMs), 25_000, 'Between two pings to a client.'),
  clientTimeoutMs: option(
    'AGENTWIRE_CLIENT_TIMEOUT_MS',
    whole(11, longestMs),
    60_000,
    'A client is closed after this long without a sign of life.',
  ),
  drainMs: option(
    'AGENTWIRE_DRAIN_MS',
    whole(0, longestMs),
    10_000,
    'How long a stopping process lets its clients leave.',
  ),
  compression: option(
    'AGENTWIRE_COMPRESSION',
    oneOf('off', 'on'),
    'off',
    'Offer permessage-deflate on the native WebSocket: fewer bytes for more CPU.',
  ),
  logLevel: option(
    'LOG_LEVEL',
    oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
    'The least serious lines that are logged.',
  ),
} satisfies Record<string, Option<unknown>>;

/** What a service is started with: one field for each option. */
export type Config = {
  readonly [Key in keyof typeof options]: (typeof options)[Key] extends Option<infer T> ? T : never;
};

/** In the order of the table, for what is derived from it. */
export const optionList: readonly Option<unknown>[] = Object.values(options);
