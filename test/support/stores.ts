import { startCluster } from './redis-cluster.ts';
import { startSentinel } from './redis-sentinel.ts';
import { startRedis } from './redis-server.ts';

export interface Store {
  /** What a gateway is given as REDIS_URL. */
  readonly url: string;
  /** Of the servers that hold the data, for a test that does harm to them. */
  readonly servers: readonly string[];
  stop(): Promise<void>;
}

/** The three shapes that Redis comes in; whoever uses the engine must not notice which. */
export const stores: readonly { name: string; start: () => Promise<Store> }[] = [
  {
    name: 'one Redis',
    async start() {
      const redis = await startRedis();
      return { url: redis.url, servers: [redis.url], stop: () => redis.stop() };
    },
  },
  {
    name: 'a Redis Cluster',
    async start() {
      const cluster = await startCluster();
      return { url: cluster.url, servers: cluster.masters.map(({ url }) => url), stop: () => cluster.stop() };
    },
  },
  {
    name: 'Redis behind a sentinel',
    async start() {
      const set = await startSentinel();
      return { url: set.url, servers: [set.master.url], stop: () => set.stop() };
    },
  },
];
