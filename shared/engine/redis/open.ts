import { Redis, type RedisOptions } from 'ioredis';
import { readRedisUrl, type RedisPlace } from '../../config/redis-url.ts';
import { allScripts } from './scripts/all.ts';

/**
 * The only file that makes clients. A cluster is not ioredis's: it would send a command again after a lost connection,
 * and so append twice. Each of its nodes is a server of its own here (cluster-store.ts, cluster-subscriber.ts).
 */

export type RedisAddress = Pick<
  RedisOptions,
  | 'host'
  | 'port'
  | 'db'
  | 'username'
  | 'password'
  | 'tls'
  | 'sentinels'
  | 'name'
  | 'sentinelCommandTimeout'
  | 'enableTLSForSentinelMode'
  | 'sentinelTLS'
>;

/** One server: at an address, or where sentinels say that the master is. */
export interface RedisTarget {
  /** For messages to people; holds no secret. */
  readonly where: string;
  readonly options: RedisAddress;
  /** A node of a cluster: channels are sharded. */
  readonly sharded: boolean;
  /** How long to wait for an answer, where it is not the usual time. */
  readonly timeoutMs?: number;
}

/**
 * Everything is answered within 5 s: an event waits at most 1.5 s to be sent (append-batcher.ts), in a cluster another
 * second until it is known where to (cluster-store.ts), and then this long.
 */
const commandTimeoutMs = { server: 3000, node: 2500 };

export function redisPlace(url: string): RedisPlace {
  const place = readRedisUrl(url);
  if (!place) throw new Error('this is not an address of Redis');
  return place;
}

export function serverTarget(place: RedisPlace): RedisTarget {
  const where = place.addresses.map(({ host, port }) => `${host}:${port}`).join(',');
  return { where, options: redisAddress(place), sharded: false };
}

export function nodeTarget(place: RedisPlace, address: string): RedisTarget {
  const colon = address.lastIndexOf(':');
  const at = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
  return { where: address, options: { ...credentials(place), ...at }, sharded: true };
}

/** Where the server is, as options that any user of ioredis takes: a queue needs others of its own besides. */
export function redisAddress(place: RedisPlace): RedisAddress {
  const options: RedisAddress = { ...credentials(place), db: place.db };
  if (place.kind === 'server') return Object.assign(options, place.addresses[0]);
  // A sentinel that is frozen must not hold up the next one's answer.
  Object.assign(options, { sentinels: place.addresses, name: place.master, sentinelCommandTimeout: 1000 });
  if (place.tls) Object.assign(options, { enableTLSForSentinelMode: true, sentinelTLS: {} });
  return options;
}

function credentials({ username, password, tls }: RedisPlace): RedisAddress {
  const options: RedisAddress = {};
  if (username !== undefined) options.username = username;
  if (password !== undefined) options.password = password;
  if (tls) options.tls = {};
  return options;
}

export function timeoutOf(target: RedisTarget): number {
  return target.timeoutMs ?? (target.sharded ? commandTimeoutMs.node : commandTimeoutMs.server);
}

/**
 * It comes back by itself, with sentinels wherever the master is by then. ioredis counts on along its list of sentinels,
 * finds its end when it comes back, and gives up for good unless told to begin again; `met` says when that is right.
 */
export function openForGood(target: RedisTarget, met: () => boolean): Redis {
  const delay = (times: number): number => Math.min(50 * 2 ** Math.min(times - 1, 5), 1000);
  return open(target, delay, (times) => (met() ? delay(times) : null));
}

/** A subscriber's connection has one life: whoever uses it opens the next, and so knows exactly what is subscribed. */
export function openOnce(target: RedisTarget): Redis {
  return open(target, giveUp, giveUp);
}

function giveUp(): null {
  return null;
}

type RetryStrategy = (times: number) => number | null;

/** `disconnect` alone waits for the other side to close too; a frozen server never does. */
export function tearDown(redis: Redis, reconnect = false): void {
  redis.disconnect(reconnect);
  redis.stream?.destroy();
}

function open(target: RedisTarget, retryStrategy: RetryStrategy, sentinelRetryStrategy: RetryStrategy): Redis {
  return new Redis({
    ...target.options,
    scripts: allScripts(target.sharded),
    lazyConnect: true,
    retryStrategy,
    sentinelRetryStrategy,
    // A command is tried once. Sent again by itself after a reconnect, an append would happen twice.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    autoResubscribe: false,
    commandTimeout: timeoutOf(target),
    connectTimeout: timeoutOf(target),
    keepAlive: 10_000,
  });
}
