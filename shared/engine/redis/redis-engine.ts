import type { Engine } from '../engine.ts';
import { AppendBatcher } from './append-batcher.ts';
import { CommandConnection, type ServerInfo } from './connections.ts';
import { RedisCounters } from './counters.ts';
import { Keys } from './keys.ts';
import { RedisLeases } from './leases.ts';
import { LiveFeed } from './live-feed.ts';
import { RedisLog } from './log.ts';
import { LogReader } from './log-reader.ts';
import { RedisRecords } from './records.ts';
import { RedisSignals } from './signals.ts';
import { TopicStates } from './topic-states.ts';
import { Watches } from './watches.ts';
import { Writer } from './writer.ts';

export interface RedisEngineOptions {
  /** `redis://[user:password@]host[:port][/db]`, `rediss:` for TLS. */
  url: string;
  /** Events kept per topic, unless an append says otherwise. */
  historySize: number;
  historyTtlMs: number;
  /** How long a numbering outlives the events. */
  metaTtlMs: number;
  /** Part of the data: every process of a cluster needs the same. */
  partitions?: number;
  /** A change is acknowledged when this many replicas have it. */
  minReplicas?: number;
  prefix?: string;
  onWarning?: (message: string) => void;
}

export function createRedisEngine(options: RedisEngineOptions): Engine {
  const { url, partitions = 64, minReplicas = 0, prefix = 'aw', onWarning = () => undefined } = options;
  const keys = new Keys(prefix, partitions);
  const states = new TopicStates(keys);
  const feed = new LiveFeed(states);
  const identity = new ServerIdentity(onWarning, () => feed.disturbed());
  const writes = new CommandConnection(url, { warn: onWarning, connected: (info) => identity.met(info) });
  const reads = new CommandConnection(url, { warn: onWarning, connected: (info) => identity.met(info) });
  const writer = new Writer(writes, minReplicas);
  const batcher = new AppendBatcher(keys, states, feed, options, (args) => writer.append(args));
  const watches = new Watches(url, keys, feed);
  const signals = new RedisSignals(url, reads, keys);

  const stop = (): void => {
    batcher.stop();
    watches.stop();
    signals.stop();
    writes.stop();
    reads.stop();
  };

  return {
    log: new RedisLog(batcher, new LogReader(reads, keys, states), watches, feed),
    records: new RedisRecords(keys, states, feed, options, batcher, writer, reads),
    leases: new RedisLeases(reads, keys),
    signals,
    counters: new RedisCounters(reads, keys),
    async start() {
      try {
        await writes.start();
        await Promise.all([reads.start(), watches.start(), signals.start()]);
      } catch (error) {
        stop();
        throw error;
      }
      batcher.start();
      await warnOfEviction(reads, onWarning);
    },
    stop: () => Promise.resolve(stop()),
    ready: () => writes.ready() && reads.ready(),
  };
}

/** Another server at the same address (a restart, a failover) means that nothing known of the live events holds. */
class ServerIdentity {
  readonly #warn: (message: string) => void;
  readonly #changed: () => void;
  #runId = '';

  constructor(warn: (message: string) => void, changed: () => void) {
    this.#warn = warn;
    this.#changed = changed;
  }

  met({ runId, version }: ServerInfo): void {
    if (this.#runId === '' && !atLeast62(version))
      this.#warn(`Redis ${version} is older than 6.2, the oldest supported`);
    if (this.#runId !== '' && this.#runId !== runId) this.#changed();
    this.#runId = runId;
  }
}

function atLeast62(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 2);
}

async function warnOfEviction(connection: CommandConnection, warn: (message: string) => void): Promise<void> {
  const answer = await connection.attempt((redis) => redis.config('GET', 'maxmemory-policy'));
  const policy = answer.ok ? (answer.value as string[])[1] : undefined;
  if (policy === undefined) warn('Redis does not tell its maxmemory-policy; it must be noeviction');
  else if (policy !== 'noeviction') {
    warn(`Redis has maxmemory-policy ${policy}: with anything but noeviction it may throw away topics and runs`);
  }
}
