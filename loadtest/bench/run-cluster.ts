import { setTimeout as sleep } from 'node:timers/promises';
import { startRedis } from '../../test/support/redis-server.ts';
import type { RedisServer } from '../../test/support/redis-server.ts';
import type { ServerProcess } from './processes.ts';
import { startService } from './targets.ts';
import type { TargetOptions } from './targets.ts';

const lookMs = 20;

/** What runs are measured on: a gateway, the workers that a measurement asks for, and a Redis of their own. */
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
