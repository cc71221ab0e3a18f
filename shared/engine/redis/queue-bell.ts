import type { Redis } from 'ioredis';
import { openOnce, tearDown, type RedisTarget } from './open.ts';

/** Longer than anybody waits: a server that is silent for so long is frozen or gone. */
const silentMs = 4000;

/**
 * Where a consumer with nothing to do waits until it is called, on a connection of its own. Like every wake-up here it
 * may be lost, with a connection or with another consumer that died of it, so nobody should wait long.
 */
export class QueueBell {
  readonly #key: string;
  readonly #target: () => RedisTarget;
  readonly #failed: () => void;
  #redis: Redis | undefined;
  #stopped = false;

  /** `target` may be another one later: partitions of a cluster move. */
  constructor(key: string, target: () => RedisTarget, failed: () => void) {
    this.#key = key;
    this.#target = target;
    this.#failed = failed;
  }

  /** When there is something to do, 0 for now; or nothing, when it did not ring. False: it cannot be heard. */
  async wait(ms: number): Promise<number | undefined | false> {
    if (this.#stopped) return false;
    try {
      const redis = this.#redis ?? (await this.#open());
      const rung = await redis.bzpopmin(this.#key, Math.max(ms, 2) / 1000);
      return rung ? Number(rung[2]) : undefined;
    } catch {
      if (!this.#stopped) this.#failed();
      this.#close();
      return false;
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#close();
  }

  async #open(): Promise<Redis> {
    const target = this.#target();
    const redis = openOnce({ ...target, timeoutMs: silentMs });
    redis.on('error', () => undefined);
    this.#redis = redis;
    await redis.connect();
    return redis;
  }

  #close(): void {
    if (this.#redis) tearDown(this.#redis);
    this.#redis = undefined;
  }
}
