import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startRedis } from '../../test/support/redis-server.ts';
import type { RedisServer } from '../../test/support/redis-server.ts';
import { startServer } from './processes.ts';
import type { ServerProcess } from './processes.ts';
import { agentwireFrames, startService } from './targets.ts';
import type { TargetOptions } from './targets.ts';

const lookMs = 20;

/** What two sides do the same runs on: a gateway, a worker and a Redis of their own. */
export interface RunTarget {
  readonly path: string;
  readonly gateway: ServerProcess;
  readonly worker: ServerProcess;
  readonly redisPid: number;
  stop(): Promise<void>;
}

export type StartRunTarget = (options: TargetOptions) => Promise<RunTarget>;

export const agentwireRuns: StartRunTarget = async (options) => {
  const cluster = await RunCluster.start(options);
  const { gateway, redisPid } = cluster;
  const worker = await cluster.worker();
  return { path: agentwireFrames.path, gateway, worker, redisPid, stop: () => cluster.stop() };
};

/** BullMQ, uWebSockets.js and the plain append script. */
export const bareRuns: StartRunTarget = async () => {
  const redis = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
  const start = (name: string): Promise<ServerProcess> =>
    startServer(fileURLToPath(new URL(name, import.meta.url)), [String(redis.port)], {});
  const gateway = await start('bare-run-gateway.ts');
  const worker = await start('bare-run-worker.ts');
  const stop = async (): Promise<void> => {
    for (const process of [worker, gateway]) await process.stop();
    await redis.stop();
  };
  return { path: '/', gateway, worker, redisPid: redis.pid, stop };
};

/** A gateway, the workers that a measurement asks for, and a Redis of their own. */
export class RunCluster {
  readonly gateway: ServerProcess;
  readonly redisPid: number;
  readonly #redis: RedisServer;
  readonly #options: TargetOptions;
  readonly #workers: ServerProcess[] = [];

  private constructor(redis: RedisServer, gateway: ServerProcess, options: TargetOptions) {
    this.#redis = redis;
    this.redisPid = redis.pid;
    this.gateway = gateway;
    this.#options = options;
  }

  static async start(options: TargetOptions): Promise<RunCluster> {
    const redis = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
    return new RunCluster(redis, await startService('gateway', redis.url, options), options);
  }

  /** One that takes runs already. */
  async worker(settings: Record<string, string> = {}): Promise<ServerProcess> {
    const worker = await startService('worker', this.#redis.url, this.#options, settings);
    this.#workers.push(worker);
    while (!(await isReady(worker.port))) await sleep(lookMs);
    return worker;
  }

  async stop(): Promise<void> {
    for (const process of [...this.#workers, this.gateway]) await process.stop();
    await this.#redis.stop();
  }
}

async function isReady(port: number): Promise<boolean> {
  return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
}
