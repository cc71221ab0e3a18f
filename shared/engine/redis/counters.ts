import type { Result } from '../../base/errors.ts';
import type { Counters } from '../engine.ts';
import type { CommandConnection } from './connections.ts';
import type { Keys } from './keys.ts';
import { counterScript } from './scripts/counter.ts';

export class RedisCounters implements Counters {
  readonly #connection: CommandConnection;
  readonly #keys: Keys;
  readonly #count: (args: string[]) => Promise<unknown>;

  constructor(connection: CommandConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
    this.#count = connection.define(counterScript);
  }

  add(name: string, by: number, ttlMs: number): Promise<Result<number>> {
    const args = ['1', this.#keys.counter(name), String(by), String(ttlMs)];
    return this.#connection.attempt(() => this.#count(args) as Promise<number>);
  }
}
