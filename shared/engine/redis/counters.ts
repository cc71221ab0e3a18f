import type { Result } from '../../base/errors.ts';
import type { Counters } from '../engine.ts';
import type { Keys } from './keys.ts';
import { counterScript } from './scripts/counter.ts';
import { callScript } from './scripts/script.ts';
import type { Store } from './store.ts';

export class RedisCounters implements Counters {
  readonly #store: Store;
  readonly #keys: Keys;

  constructor(store: Store, keys: Keys) {
    this.#store = store;
    this.#keys = keys;
  }

  add(name: string, by: number, ttlMs: number): Promise<Result<number>> {
    const args = ['1', this.#keys.counter(name), String(by), String(ttlMs)];
    return this.#store.run(
      this.#keys.partitionOf(name),
      (redis, asking) => callScript(redis, counterScript, args, asking) as Promise<number>,
    );
  }
}
