import type { Config } from '../../../shared/config/options.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import type { Kept } from './kept.ts';

/**
 * All connections of this node, SSE streams among them, and the one timer that looks after them. A timer a connection
 * would cost 100,000 of them.
 */
export class Connections {
  readonly #all = new Set<Kept>();
  readonly #clock: Clock;
  readonly #config: Config;
  #cancel: () => void = () => {};

  constructor(clock: Clock, config: Config) {
    this.#clock = clock;
    this.#config = config;
  }

  get size(): number {
    return this.#all.size;
  }

  add(connection: Kept): void {
    this.#all.add(connection);
  }

  remove(connection: Kept): void {
    this.#all.delete(connection);
  }

  all(): IterableIterator<Kept> {
    return this.#all.values();
  }

  start(): void {
    const { heartbeatMs, clientTimeoutMs, authTimeoutMs } = this.#config;
    // Often enough that nothing is a quarter too late, and never so often that looking is work.
    const every = Math.max(50, Math.min(heartbeatMs / 4, clientTimeoutMs / 4, authTimeoutMs / 4, 1000));
    this.#cancel = this.#clock.later(every, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }

  #look(): void {
    const now = this.#clock.now();
    for (const connection of this.#all) connection.tend(now);
  }
}
