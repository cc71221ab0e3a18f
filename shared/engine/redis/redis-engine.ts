import { shortId } from '../../base/ids.ts';
import type { RedisPlace } from '../../config/redis-url.ts';
import type { Engine } from '../engine.ts';
import { AppendBatcher, type Appender, type Waitlist } from './append-batcher.ts';
import { AppendLanes } from './append-lanes.ts';
import type { ChannelHooks, Channels } from './channels.ts';
import { ClusterMap } from './cluster-map.ts';
import { ClusterStore } from './cluster-store.ts';
import { ClusterSubscriber } from './cluster-subscriber.ts';
import { CommandConnection, type CommandHooks } from './connections.ts';
import { RedisCounters } from './counters.ts';
import { Keys } from './keys.ts';
import { RedisLeases } from './leases.ts';
import { LiveFeed } from './live-feed.ts';
import { RedisLog } from './log.ts';
import { LogReader } from './log-reader.ts';
import { nodeTarget, redisPlace, serverTarget, type RedisTarget } from './open.ts';
import { RedisQueues } from './queue.ts';
import { RedisRecords } from './records.ts';
import { Refusals } from './refusals.ts';
import { ServerIdentity, warnOfEviction } from './server-checks.ts';
import { RedisSignals } from './signals.ts';
import { OneServer, type Store } from './store.ts';
import { Subscriber } from './subscriber.ts';
import { TopicStates } from './topic-states.ts';
import { Watches } from './watches.ts';
import { Writer } from './writer.ts';

export interface RedisEngineOptions {
  /** One server, a cluster or sentinels: see shared/config/redis-url.ts. */
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
  const place = redisPlace(url);
  const keys = new Keys(prefix, partitions, place.kind === 'cluster');
  const states = new TopicStates(keys);
  const feed = new LiveFeed(states);
  const identity = new ServerIdentity(onWarning, () => feed.disturbed());
  const refusals = new Refusals(onWarning);
  const hooks = {
    warn: onWarning,
    refused: refusals.refused.bind(refusals),
    connected: identity.met.bind(identity),
  };
  const redis = open(place, keys, hooks);
  const writes = redis.store();
  const reads = redis.store();
  const writer = new Writer(writes, minReplicas);
  const batcher = (partition: number, waitlist?: Waitlist): AppendBatcher =>
    new AppendBatcher(keys, states, feed, options, writer.callsTo(partition), waitlist, writes.sharded);
  const appender = writes.sharded ? lanes(states, partitions, batcher) : batcher(0);
  const watches = new Watches(keys, feed, redis.channels);
  const signals = new RedisSignals(keys, reads, redis.channels);
  const suspect = (): void => redis.map?.suspect();
  const queues = new RedisQueues({
    keys,
    store: reads,
    target: redis.target,
    suspect,
    warn: onWarning,
  });

  const stop = (): void => {
    appender.stop();
    watches.stop();
    signals.stop();
    queues.stop();
    writes.stop();
    reads.stop();
    redis.map?.stop();
  };

  return {
    log: new RedisLog(appender, new LogReader(reads, keys, states), watches, feed),
    records: new RedisRecords(keys, states, appender, reads),
    leases: new RedisLeases(reads, keys),
    signals,
    counters: new RedisCounters(reads, keys),
    queue: (name) => queues.get(name),
    async start() {
      try {
        await redis.map?.start();
        await writes.start();
        await Promise.all([reads.start(), watches.start(), signals.start()]);
      } catch (error) {
        stop();
        throw error;
      }
      appender.start();
      await warnOfEviction(reads, onWarning);
    },
    stop: () => Promise.resolve(stop()),
    ready: () => writes.ready() && reads.ready(),
    refused: () => refusals.changes,
  };
}

function lanes(
  states: TopicStates,
  partitions: number,
  batcher: (partition: number, waitlist: Waitlist) => Appender,
): Appender {
  const waitlist = { events: 0, bytes: 0 };
  return new AppendLanes(
    states,
    Array.from({ length: partitions }, (_, partition) => batcher(partition, waitlist)),
  );
}

interface Access {
  readonly map?: ClusterMap;
  store(): Store;
  channels(this: void, hooks: ChannelHooks): Channels;
  /** The server that has a partition now. */
  target(this: void, partition: number): RedisTarget;
}

/** The one place that knows whether there is one server or many. */
function open(place: RedisPlace, keys: Keys, hooks: CommandHooks): Access {
  if (place.kind === 'cluster') {
    const map = new ClusterMap(
      place,
      Array.from({ length: keys.partitions }, (_, partition) => keys.slotOf(partition)),
    );
    return {
      map,
      store: () => new ClusterStore(place, map, hooks),
      channels: (listener) => new ClusterSubscriber(place, map, keys, listener),
      target: (partition) => nodeTarget(place, map.owner(partition)),
    };
  }
  const target = serverTarget(place);
  return {
    store: () => new OneServer(new CommandConnection(target, hooks), keys.partitions),
    channels: (listener) => new Subscriber(target, () => keys.ownChannel(0, shortId()), listener),
    target: () => target,
  };
}
