import { agentName, httpUrl, list, longestMs, oneOf, origins, redisUrl, text, tokens, whole } from './kinds.ts';
import type { Environment, Kind } from './kinds.ts';

export type ServiceName = 'gateway' | 'worker' | 'standalone';

/** One setting. Its environment variable, its checks, its line of help and its type all come from here. */
export interface Option<T> {
  readonly env: string;
  readonly kind: Kind<T>;
  readonly fallback: T;
  /** In place of `fallback`, where it depends on another variable. */
  readonly derived?: Derived<T>;
  readonly help: string;
  readonly readBy: readonly ServiceName[];
}

export interface Derived<T> {
  readonly says: string;
  from(env: Environment): T;
}

const all: readonly ServiceName[] = ['gateway', 'worker', 'standalone'];
const gateways: readonly ServiceName[] = ['gateway', 'standalone'];
const workers: readonly ServiceName[] = ['worker', 'standalone'];

function option<T>(
  readBy: readonly ServiceName[],
  env: string,
  kind: Kind<T>,
  fallback: NoInfer<T>,
  help: string,
): Option<T> {
  return { env, kind, fallback, help, readBy };
}

function optional<T>(readBy: readonly ServiceName[], env: string, kind: Kind<T>, help: string): Option<T | undefined> {
  return { env, kind, fallback: undefined, help, readBy };
}

const apiKeyName = 'ANTHROPIC_API_KEY';

/** Whoever has set up a model wants to talk to it; without one there is somebody who answers all the same. */
const whoAnswers: Derived<string> = {
  says: `claude with ${apiKeyName}, else echo`,
  from: (env) => (env[apiKeyName]?.trim() ? 'claude' : 'echo'),
};

const mebibyte = 1_048_576;
const tenYearsS = 315_360_000;

export const options = {
  port: option(
    all,
    'PORT',
    whole(0, 65_535),
    8080,
    'Port of everything; a worker has health and metrics there. 0 takes a free one.',
  ),
  host: option(all, 'HOST', text, '0.0.0.0', 'Address to listen on.'),
  redisUrl: optional(
    all,
    'REDIS_URL',
    redisUrl,
    'The Redis that the cluster shares. Unset: the embedded engine, one process.',
  ),
  processes: option(
    gateways,
    'AGENTWIRE_PROCESSES',
    whole(1, 256),
    1,
    'Processes that share the port, one a core at most. More than 1 needs REDIS_URL.',
  ),

  auth: option(gateways, 'AGENTWIRE_AUTH', oneOf('none', 'token'), 'none', 'How clients prove who they are.'),
  tokens: option(
    gateways,
    'AGENTWIRE_TOKENS',
    tokens,
    [],
    'The tokens that are accepted where AGENTWIRE_AUTH is token.',
  ),
  authTimeoutMs: option(
    gateways,
    'AGENTWIRE_AUTH_TIMEOUT_MS',
    whole(1, longestMs),
    10_000,
    'How long a new connection may take to authenticate.',
  ),
  allowedOrigins: option(
    gateways,
    'AGENTWIRE_ALLOWED_ORIGINS',
    origins,
    [],
    'Web origins whose pages may connect. Unset: all of them.',
  ),

  maxConnections: option(
    gateways,
    'AGENTWIRE_MAX_CONNECTIONS',
    whole(1, 10_000_000),
    100_000,
    'Connections of one process; more are refused with 503.',
  ),
  maxFrameBytes: option(
    all,
    'AGENTWIRE_MAX_FRAME_BYTES',
    whole(1024, 64 * mebibyte),
    mebibyte,
    'The largest frame or body that a client may send.',
  ),
  maxSubscriptions: option(
    gateways,
    'AGENTWIRE_MAX_SUBSCRIPTIONS',
    whole(1, 1_000_000),
    1000,
    'Topics and patterns that one connection may subscribe to.',
  ),
  rateMessages: option(
    gateways,
    'AGENTWIRE_RATE_MESSAGES',
    whole(0, 1_000_000),
    0,
    'Requests a second that one connection may send. 0: no limit.',
  ),
  maxInflight: option(
    gateways,
    'AGENTWIRE_MAX_INFLIGHT',
    whole(1, 100_000),
    64,
    'Requests of one connection that are worked on at once.',
  ),

  queue: option(
    gateways,
    'AGENTWIRE_QUEUE',
    whole(1, 1_000_000),
    1000,
    'Events that a slow client may lag behind, per topic.',
  ),
  historySize: option(all, 'AGENTWIRE_HISTORY_SIZE', whole(1, 10_000_000), 1000, 'Events that are kept per topic.'),
  historyTtlS: option(
    all,
    'AGENTWIRE_HISTORY_TTL_S',
    whole(1, tenYearsS),
    3600,
    'How long events are kept, in seconds.',
  ),
  metaTtlS: option(
    all,
    'AGENTWIRE_META_TTL_S',
    whole(1, tenYearsS),
    2_592_000,
    'How long the numbering of a topic outlives its events, in seconds.',
  ),
  minReplicas: option(
    all,
    'AGENTWIRE_MIN_REPLICAS',
    whole(0, 100),
    0,
    'Redis replicas that must have a publish before it is acknowledged.',
  ),

  checkpointsPerSession: option(
    all,
    'AGENTWIRE_CHECKPOINTS_PER_SESSION',
    whole(1, 1_000_000),
    10_000,
    'Checkpoints that are kept per session; the oldest go first.',
  ),
  checkpointTtlS: option(
    all,
    'AGENTWIRE_CHECKPOINT_TTL_S',
    whole(1, tenYearsS),
    2_592_000,
    'How long a checkpoint is kept, in seconds.',
  ),
  runHistorySize: option(
    all,
    'AGENTWIRE_RUN_HISTORY_SIZE',
    whole(1, 10_000_000),
    10_000,
    'Events that are kept per run.',
  ),
  runTimeoutMs: option(
    gateways,
    'AGENTWIRE_RUN_TIMEOUT_MS',
    whole(1, longestMs),
    3_600_000,
    'How long an attempt may work where the run names no limit, waits not counted.',
  ),
  maxRunsPerIdentity: option(
    gateways,
    'AGENTWIRE_MAX_RUNS_PER_IDENTITY',
    whole(0, 1_000_000),
    0,
    'Runs of one identity that have not ended. 0: no limit.',
  ),
  defaultAgent: {
    ...option(
      gateways,
      'AGENTWIRE_DEFAULT_AGENT',
      agentName,
      'echo',
      'Who runs where neither the request nor its session names an agent.',
    ),
    derived: whoAnswers,
  },
  chatAgent: {
    ...option(gateways, 'AGENTWIRE_CHAT_AGENT', agentName, 'echo', 'Who answers in the chat at /ws.'),
    derived: whoAnswers,
  },
  workerConcurrency: option(
    workers,
    'AGENTWIRE_WORKER_CONCURRENCY',
    whole(1, 100_000),
    100,
    'Runs that one worker process works on at once; those that wait for somebody come on top.',
  ),
  agents: option(
    workers,
    'AGENTWIRE_AGENTS',
    list('paths or package names'),
    [],
    'Modules with agents of your own, besides those that every build has.',
  ),
  anthropicApiKey: optional(all, apiKeyName, text, 'Key of the Anthropic API, for the agent claude.'),
  anthropicBaseUrl: optional(
    workers,
    'ANTHROPIC_BASE_URL',
    httpUrl,
    'Where the Anthropic API is, if not at its usual place.',
  ),

  heartbeatMs: option(
    gateways,
    'AGENTWIRE_HEARTBEAT_MS',
    whole(10, longestMs),
    25_000,
    'Between two pings to a client.',
  ),
  clientTimeoutMs: option(
    gateways,
    'AGENTWIRE_CLIENT_TIMEOUT_MS',
    whole(11, longestMs),
    60_000,
    'A client is closed after this long without a sign of life.',
  ),
  drainMs: option(
    all,
    'AGENTWIRE_DRAIN_MS',
    whole(0, longestMs),
    10_000,
    'How long a stopping process lets its clients leave and its runs end.',
  ),
  compression: option(
    gateways,
    'AGENTWIRE_COMPRESSION',
    oneOf('off', 'on'),
    'off',
    'Offer permessage-deflate on the native WebSocket: fewer bytes for more CPU.',
  ),
  logLevel: option(
    all,
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
