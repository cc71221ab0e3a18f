import { Redis, type RedisOptions } from 'ioredis';
import { fail, ok, type Result } from '../../base/errors.ts';
import type { RedisScript } from './scripts/script.ts';

/**
 * The only file that makes clients. Sentinel and Cluster come in here: other options, or ioredis's `Cluster` with
 * `shardedSubscribers: true`, without which SSUBSCRIBE stays silent on most slots.
 */

/** Everything is answered within 5 s: an event waits at most 1.5 s to be sent (append-batcher.ts), and then this long. */
const commandTimeoutMs = 3000;

export type RedisAddress = Pick<RedisOptions, 'host' | 'port' | 'db' | 'username' | 'password' | 'tls'>;

/** Where the server is, as options that any user of ioredis takes: a queue needs others of its own besides. */
export function redisAddress(url: string): RedisAddress {
  const { protocol, hostname, port, username, password, pathname } = new URL(url);
  const address: RedisAddress = {
    host: hostname.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1',
    port: port === '' ? 6379 : Number(port),
    db: Number(pathname.slice(1) || 0),
  };
  if (username !== '') address.username = decodeURIComponent(username);
  if (password !== '') address.password = decodeURIComponent(password);
  if (protocol === 'rediss:') address.tls = {};
  return address;
}

function open(url: string, retryStrategy: (times: number) => number | null): Redis {
  return new Redis({
    ...redisAddress(url),
    lazyConnect: true,
    retryStrategy,
    // A command is tried once. Sent again by itself after a reconnect, an append would happen twice.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    autoResubscribe: false,
    commandTimeout: commandTimeoutMs,
    connectTimeout: commandTimeoutMs,
    keepAlive: 10_000,
  });
}

/** A subscriber's connection has one life: whoever uses it opens the next, and so knows exactly what is subscribed. */
export function openOnce(url: string): Redis {
  return open(url, () => null);
}

/** `disconnect` alone waits for the other side to close too; a frozen server never does. */
export function tearDown(redis: Redis, reconnect = false): void {
  redis.disconnect(reconnect);
  redis.stream?.destroy();
}

export interface CommandHooks {
  warn(message: string): void;
  /** The connection is there (again); with what `INFO server` says of it. */
  connected(info: ServerInfo): void;
}

export interface ServerInfo {
  runId: string;
  version: string;
}

/** A connection for commands that comes back by itself. While it is away, every call fails at once. */
export class CommandConnection {
  readonly #redis: Redis;
  readonly #where: string;
  readonly #hooks: CommandHooks;
  #ready = false;
  #lastError = '';

  constructor(url: string, hooks: CommandHooks) {
    this.#hooks = hooks;
    this.#where = new URL(url).host;
    this.#redis = open(url, (times) => Math.min(50 * 2 ** Math.min(times - 1, 5), 1000));
    this.#redis.on('error', (error: Error) => (this.#lastError = error.message));
    this.#redis.on('ready', () => void this.#greet());
    this.#redis.on('close', () => {
      if (this.#ready) hooks.warn(`the connection to Redis at ${this.#where} is lost`);
      this.#ready = false;
    });
  }

  ready(): boolean {
    return this.#ready;
  }

  async start(): Promise<void> {
    try {
      await this.#redis.connect();
    } catch (error) {
      this.stop();
      throw new Error(`Redis at ${this.#where} cannot be reached: ${this.#lastError || String(error)}`, {
        cause: error,
      });
    }
    this.#ready = true;
  }

  stop(): void {
    this.#ready = false;
    this.#redis.removeAllListeners('close');
    tearDown(this.#redis);
  }

  /** Teaches the connection a script; the first call sends its text, the others its hash. */
  define(script: RedisScript): (args: string[]) => Promise<unknown> {
    this.#redis.defineCommand(script.name, { lua: script.lua });
    const call = (this.#redis as unknown as Record<string, (args: string[]) => Promise<unknown>>)[script.name];
    return (args) => call?.call(this.#redis, args) ?? Promise.reject(new Error(`no script ${script.name}`));
  }

  /** A call's outcome as a value. Whatever went wrong, the caller cannot know whether Redis did it. */
  async attempt<T>(work: (redis: Redis) => Promise<T>): Promise<Result<T>> {
    if (!this.#ready) return fail('unavailable');
    try {
      return ok(await work(this.#redis));
    } catch (error) {
      this.#failed(error);
      return fail('unavailable');
    }
  }

  #failed(error: unknown): void {
    const { name, message } = error as Error;
    if (name === 'ReplyError') this.#hooks.warn(`Redis refused a command: ${message}`);
    // Whatever waits behind a command that got no answer would wait as long: start afresh.
    else if (message === 'Command timed out' && this.#ready) {
      this.#ready = false;
      this.#hooks.warn(`Redis at ${this.#where} has not answered for ${commandTimeoutMs} ms`);
      tearDown(this.#redis, true);
    }
  }

  async #greet(): Promise<void> {
    this.#ready = true;
    try {
      const info = await this.#redis.info('server');
      const field = (name: string): string => new RegExp(`^${name}:(.*?)\\s*$`, 'm').exec(info)?.[1] ?? '';
      this.#hooks.connected({ runId: field('run_id'), version: field('redis_version') });
    } catch (error) {
      this.#failed(error);
    }
  }
}
