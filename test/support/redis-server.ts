import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePorts } from '../../deploy/local/ports.ts';

export interface RedisServerOptions {
  /** `appendonly yes` and `appendfsync always`: a restart loses nothing. */
  durable?: boolean;
  /** Further arguments of redis-server, such as `['--maxmemory-policy', 'allkeys-lru']`. */
  args?: readonly string[];
}

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends it, frozen or not, and takes its folder away. */
  stop(): Promise<void>;
  /** Comes back on the same port; with its data if it is durable, empty otherwise. */
  restart(): Promise<void>;
  /** SIGKILL; `restart` brings it back. */
  kill9(): Promise<void>;
  /** Deaf but connected, until `thaw`. */
  freeze(): void;
  thaw(): void;
}

/** A redis-server of the test's own: free port, own folder, nothing saved unless durable, gone with the process. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'agentwire-redis-'));
  const { port, child: first } = await launchAnywhere(folder, options);
  let child = first;

  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  const abandoned = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', abandoned);

  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid ?? 0;
    },
    async stop() {
      await kill();
      process.off('exit', abandoned);
      rmSync(folder, { recursive: true, force: true });
    },
    async restart() {
      await kill();
      child = await launch(port, folder, options);
    },
    kill9: kill,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
  };
}

/** Somebody may have been quicker to take the port. */
async function launchAnywhere(
  folder: string,
  options: RedisServerOptions,
): Promise<{ port: number; child: ChildProcess }> {
  for (let tries = 1; ; tries++) {
    const [port = 0] = await freePorts(1);
    try {
      return { port, child: await launch(port, folder, options) };
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}

async function launch(port: number, folder: string, options: RedisServerOptions): Promise<ChildProcess> {
  const durable = options.durable ? ['--appendonly', 'yes', '--appendfsync', 'always'] : [];
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...durable];
  // Its output goes to the test and not to the terminal: held open by one that outlives the test, it would hold up vitest.
  const child = spawn('redis-server', [...args, ...(options.args ?? [])], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text: Buffer) => (log = (log + text.toString()).slice(-4000)));
  }
  let failed: Error | undefined;
  child.once('error', (error) => (failed = error));
  for (;;) {
    if (failed) throw new Error('redis-server could not be started; is it installed?', { cause: failed });
    if (child.exitCode !== null) throw new Error(`redis-server ended at once:\n${log}`);
    if (await answers(port, child.pid)) return child;
    await sleep(10);
  }
}

/** It, and not another one that was quicker to take the port. */
async function answers(port: number, pid = 0): Promise<boolean> {
  const redis = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    // Refused while it loads its data.
    await redis.ping();
    return (await redis.info('server')).includes(`process_id:${pid}\r`);
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}
