import type { Redis } from 'ioredis';
import type { Result } from '../../base/errors.ts';
import type { CommandConnection, Work } from './connections.ts';

/** Where commands go. This is all that the rest of the engine knows of clusters. */
export interface Store {
  /** Several servers, each with some of the partitions: a call stays within one of them, and channels are sharded. */
  readonly sharded: boolean;
  start(): Promise<void>;
  stop(): void;
  ready(): boolean;
  /** On the server that has the partition. `unavailable` may mean that it was done; it is never done twice. */
  run<T>(partition: number, work: Work<T>): Promise<Result<T>>;
  /** On each server, with the partitions that it has. Only for reading: it may be done more than once. */
  everywhere<T>(work: (redis: Redis, partitions: readonly number[]) => Promise<T>): Promise<Result<T[]>>;
}

/** One server, or the one that sentinels name. */
export class OneServer implements Store {
  readonly sharded = false;
  readonly #connection: CommandConnection;
  readonly #partitions: readonly number[];

  constructor(connection: CommandConnection, partitions: number) {
    this.#connection = connection;
    this.#partitions = Array.from({ length: partitions }, (_, i) => i);
  }

  start(): Promise<void> {
    return this.#connection.start();
  }

  stop(): void {
    this.#connection.stop();
  }

  ready(): boolean {
    return this.#connection.ready();
  }

  run<T>(_partition: number, work: Work<T>): Promise<Result<T>> {
    return this.#connection.attempt(work);
  }

  async everywhere<T>(work: (redis: Redis, partitions: readonly number[]) => Promise<T>): Promise<Result<T[]>> {
    return this.#connection.attempt(async (redis) => [await work(redis, this.#partitions)]);
  }
}
