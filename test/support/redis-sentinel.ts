import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startRedis, type RedisServer } from './redis-server.ts';

export interface SentinelSet {
  readonly url: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** The port of what the sentinel takes for the master now. */
  masterPort(): Promise<number>;
  stop(): Promise<void>;
}

/** A master, a replica, and one sentinel that makes the replica the master soon after the master went silent. */
export async function startSentinel(): Promise<SentinelSet> {
  const args = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'];
  const master = await startRedis({ args });
  const replica = await startRedis({ args: [...args, '--replicaof', '127.0.0.1', String(master.port)] });
  const [ofMaster, ofReplica] = [client(master.port), client(replica.port)];
  while (!(await ofReplica.info('replication')).includes('master_link_status:up')) await sleep(20);
  while (!(await ofMaster.info('replication')).includes('state=online')) await sleep(20);

  const folder = mkdtempSync(join(tmpdir(), 'agentwire-sentinel-'));
  // A port that nobody else can have taken: the cluster bus of this master, which it does not use.
  const port = master.port + 10_000;
  const child = launch(folder, port, master.port);
  const abandoned = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', abandoned);
  const sentinel = client(port);
  const knowsReplica = async (): Promise<boolean> => {
    const replicas = (await sentinel.call('SENTINEL', 'REPLICAS', 'main').catch(() => [])) as string[][];
    return replicas.some((fields) => fields.includes('slave') && fields.includes('ok'));
  };
  while (!(await knowsReplica())) await sleep(20);

  return {
    url: `redis-sentinel://127.0.0.1:${port}/main`,
    master,
    replica,
    async masterPort() {
      return Number(((await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')) as string[])[1]);
    },
    async stop() {
      for (const one of [ofMaster, ofReplica, sentinel]) one.disconnect();
      const gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      child.kill('SIGKILL');
      await gone;
      process.off('exit', abandoned);
      rmSync(folder, { recursive: true, force: true });
      await Promise.all([master.stop(), replica.stop()]);
    },
  };
}

function launch(folder: string, port: number, masterPort: number): ChildProcess {
  const file = join(folder, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor main 127.0.0.1 ${masterPort} 1`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 5000',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return spawn('redis-server', [file, '--sentinel'], { stdio: ['ignore', 'ignore', 'inherit'] });
}

function client(port: number): Redis {
  const redis = new Redis({ port, host: '127.0.0.1' });
  redis.on('error', () => undefined);
  return redis;
}
