import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { comesTrue } from './comes-true.ts';
import { startRedis, type RedisServer } from './redis-server.ts';

export interface SentinelSet {
  readonly url: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** The port of what the sentinel takes for the master now. */
  masterPort(): Promise<number>;
  stop(): Promise<void>;
}

/**
 * What a test wants whose master dies. Not the default: a machine that is held up for so long, or a test that kills the
 * sentinel's own connections, would get a replica promoted that lacks what was acknowledged a moment ago.
 */
export const promotesSoon = { downAfterMs: 500 };

/** A master, a replica, and one sentinel that makes the replica the master when the master was silent for so long. */
export async function startSentinel({ downAfterMs } = { downAfterMs: 60_000 }): Promise<SentinelSet> {
  const args = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];
  const master = await startRedis({ args });
  const replica = await startRedis({ args: [...args, '--replicaof', '127.0.0.1', String(master.port)] });
  const [ofMaster, ofReplica] = [client(master.port), client(replica.port)];
  await comesTrue(async () => (await ofReplica.info('replication')).includes('master_link_status:up'));
  await comesTrue(async () => (await ofMaster.info('replication')).includes('state=online'));
  const sentinel = await startWatching(master.port, downAfterMs);

  return {
    url: `redis-sentinel://127.0.0.1:${sentinel.port}/main`,
    master,
    replica,
    async masterPort() {
      return Number(((await sentinel.redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')) as string[])[1]);
    },
    async stop() {
      for (const one of [ofMaster, ofReplica]) one.disconnect();
      await sentinel.stop();
      await Promise.all([master.stop(), replica.stop()]);
    },
  };
}

/** The sentinel, once it knows the replica. A port that is taken ends it at once: then another is tried. */
async function startWatching(masterPort: number, downAfterMs: number) {
  for (let tries = 1; ; tries++) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    const folder = mkdtempSync(join(tmpdir(), 'agentwire-sentinel-'));
    const child = launch(folder, port, masterPort, downAfterMs);
    const abandoned = (): void => {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    };
    process.once('exit', abandoned);
    const redis = client(port);
    const stop = async (): Promise<void> => {
      redis.disconnect();
      const gone = isOver(child) ? undefined : once(child, 'exit');
      abandoned();
      await gone;
      process.off('exit', abandoned);
    };
    await comesTrue(async () => isOver(child) || (await knowsReplica(redis)));
    if (!isOver(child)) return { port, redis, stop };
    await stop();
    if (tries === 5) throw new Error('no sentinel could be started; is redis-server installed?');
  }
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function knowsReplica(sentinel: Redis): Promise<boolean> {
  const replicas = (await sentinel.call('SENTINEL', 'REPLICAS', 'main').catch(() => [])) as string[][];
  return replicas.some((fields) => fields.includes('slave') && fields.includes('ok'));
}

function launch(folder: string, port: number, masterPort: number, downAfterMs: number): ChildProcess {
  const file = join(folder, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor main 127.0.0.1 ${masterPort} 1`,
    `sentinel down-after-milliseconds main ${downAfterMs}`,
    'sentinel failover-timeout main 5000',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
}

function client(port: number): Redis {
  const redis = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 0 });
  redis.on('error', () => undefined);
  return redis;
}
