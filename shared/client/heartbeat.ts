import type { Clock } from '../base/clock.ts';

interface Ends {
  ping(): void;
  dead(): void;
}

/**
 * Finds a connection that is open but dead. Browsers show nothing of the server's own pings, so after a silence the
 * client asks; only silence after the question counts, since a page that slept has heard nothing for long either.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #ends: Ends;
  #intervalMs = 0;
  #patienceMs = 0;
  #heard = false;
  #asked = false;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, ends: Ends) {
    this.#clock = clock;
    this.#ends = ends;
  }

  start(server: { intervalMs: number; timeoutMs: number }): void {
    this.#intervalMs = server.intervalMs;
    this.#patienceMs = Math.max(server.intervalMs, server.timeoutMs - server.intervalMs);
    this.#listen();
  }

  heard(): void {
    this.#heard = true;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #listen(): void {
    this.#heard = false;
    this.#asked = false;
    this.#cancel = this.#clock.later(this.#intervalMs, () => this.#look());
  }

  #look(): void {
    if (this.#heard) {
      this.#listen();
    } else if (this.#asked) {
      this.#ends.dead();
    } else {
      this.#asked = true;
      this.#cancel = this.#clock.later(this.#patienceMs, () => this.#look());
      this.#ends.ping();
    }
  }
}
