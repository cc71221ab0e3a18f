import { Redis } from 'ioredis';
import { comesTrue } from './comes-true.ts';
import { startRedis, type RedisServer } from './redis-server.ts';

export interface RedisCluster {
  readonly url: string;
  readonly masters: readonly RedisServer[];
  /** One for each master, in the same order; empty unless asked for. */
  readonly replicas: readonly RedisServer[];
  /**
   * Moves a slot with everything in it, as `redis-cli --cluster reshard` does. `between` runs on the way, when this
   * share of the keys went.
   */
  move(slot: number, from: number, to: number, share?: number, between?: () => Promise<void>): Promise<void>;
  /** Which master has the slot, by its place in `masters`. */
  owner(slot: number): Promise<number>;
  stop(): Promise<void>;
}

export interface RedisClusterOptions {
  replicas?: boolean;
  durable?: boolean;
}

const slots = 16_384;

/** Three masters that share the slots evenly. A dead one is noticed after a second. */
export async function startCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const node = (): Promise<RedisServer> => startNode(options.durable ?? false);
  const masters = await Promise.all([node(), node(), node()]);
  const replicas = options.replicas ? await Promise.all([node(), node(), node()]) : [];
  const all = [...masters, ...replicas];
  const clients = new Map(all.map((server) => [server, client(server)]));
  const at = (server: RedisServer | undefined): Redis => clients.get(server!)!;
  const id = (server: RedisServer | undefined): Promise<string> => at(server).cluster('MYID') as Promise<string>;

  for (const [i, master] of masters.entries()) {
    const [first, last] = [0, 1].map((more) => Math.floor((slots * (i + more)) / masters.length));
    await at(master).call('CLUSTER', 'ADDSLOTSRANGE', first!, last! - 1);
    await at(master).call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
  }
  // Each with each: left to their gossip they would need seconds to hear of one another.
  for (const server of all) for (const other of all) await at(server).cluster('MEET', '127.0.0.1', other.port);
  await everyone(all, async (server) => {
    return /cluster_known_nodes:(\d+)/.exec(String(await at(server).cluster('INFO')))?.[1] === String(all.length);
  });
  for (const [i, replica] of replicas.entries()) await at(replica).cluster('REPLICATE', await id(masters[i]));
  await everyone(all, async (server) => String(await at(server).cluster('INFO')).includes('cluster_state:ok'));
  await everyone(replicas, async (server) => (await at(server).info('replication')).includes('master_link_status:up'));
  await everyone(replicas.length > 0 ? all : [], async (server) => {
    return ((await at(server).cluster('SLOTS')) as unknown[][]).every((range) => range.length === 4);
  });

  return {
    url: `redis-cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    masters,
    replicas,
    async owner(slot) {
      const ranges = (await at(masters[0]).cluster('SLOTS')) as unknown as [number, number, [string, number]][];
      const port = ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][1];
      return masters.findIndex((master) => master.port === port);
    },
    async move(slot, from, to, share = 1, between = () => Promise.resolve()) {
      const [source, target] = [masters[from], masters[to]];
      const [sourceId, targetId] = await Promise.all([id(source), id(target)]);
      await at(target).cluster('SETSLOT', slot, 'IMPORTING', sourceId);
      await at(source).cluster('SETSLOT', slot, 'MIGRATING', targetId);
      const some = (await at(source).cluster('COUNTKEYSINSLOT', slot)) as number;
      await migrate(Math.floor(some * share));
      await between();
      for (;;) if ((await migrate(100)) === 0) break;
      for (const server of [target, source, ...masters]) await at(server).cluster('SETSLOT', slot, 'NODE', targetId);

      async function migrate(count: number): Promise<number> {
        const keys = count > 0 ? ((await at(source).cluster('GETKEYSINSLOT', slot, count)) as string[]) : [];
        if (keys.length > 0) {
          await at(source).call('MIGRATE', '127.0.0.1', target!.port, '', 0, 5000, 'KEYS', ...keys);
        }
        return keys.length;
      }
    },
    async stop() {
      for (const one of clients.values()) one.disconnect();
      for (const server of all) server.thaw();
      await Promise.all(all.map((server) => server.stop()));
    },
  };
}

/** A node's second port, its first one plus 10,000, may be taken: then another pair is tried. */
async function startNode(durable: boolean): Promise<RedisServer> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0'];
  for (let tries = 1; ; tries++) {
    try {
      return await startRedis({ durable, args });
    } catch (error) {
      if (tries === 5) throw error;
    }
  }
}

function client(server: RedisServer): Redis {
  const redis = new Redis({ port: server.port, host: '127.0.0.1', enableReadyCheck: false });
  redis.on('error', () => undefined);
  return redis;
}

async function everyone(servers: readonly RedisServer[], is: (server: RedisServer) => Promise<boolean>): Promise<void> {
  for (const server of servers) await comesTrue(() => is(server));
}
