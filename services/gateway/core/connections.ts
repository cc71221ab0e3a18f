import type { Config } from '../../../shared/config/options.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import type { Connection } from './connection.ts';

/**
 * All connections of this node, and the one timer that looks after them: it pings, and closes who does not answer,
 * does not read, or does not say in time who it is. A timer a connection would cost 100,000 of them.
 */
export class Connections {
  readonly #all = new Set<Connection>();
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

  add(connection: Connection): void {
    this.#all.add(connection);
  }

  remove(connection: Connection): void {
    this.#all.delete(connection);
  }

  all(): IterableIterator<Connection> {
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
    const { heartbeatMs, clientTimeoutMs, authTimeoutMs } = this.#config;
    for (const connection of this.#all) {
      const blockedSince = connection.subscriber?.cursor?.blockedSince ?? 0;
      if (!connection.identity && now - connection.openedAt >= authTimeoutMs) {
        connection.close('unauthenticated');
      } else if (
        now - connection.heardAt >= clientTimeoutMs ||
        (blockedSince > 0 && now - blockedSince >= clientTimeoutMs)
      ) {
        connection.close('no_sign_of_life');
      } else if (now - connection.pingedAt >= heartbeatMs) {
        connection.pingedAt = now;
        connection.link.ping();
      }
    }
  }
}
