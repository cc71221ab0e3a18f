import type { Clock } from '../../base/clock.ts';

/**
 * For what may be asked for often and is answered by the store: done at most once in so long, the last time included.
 * The time is counted from the answer, since a slow call and a quick one after it would reach the store closer together
 * than they were made. It begins to run at once, and costs no timer until somebody asks.
 */
export class Spaced {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #run: () => Promise<void>;
  #since: number;
  #cancel: (() => void) | undefined;
  #busy = false;
  #asked = false;
  #stopped = false;

  constructor(clock: Clock, everyMs: number, run: () => Promise<void>) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#run = run;
    this.#since = clock.now();
  }

  ask(): void {
    this.#asked = true;
    if (this.#busy || this.#cancel || this.#stopped) return;
    // Not more than that, where somebody has put back the clock.
    const waitMs = Math.min(this.#everyMs, this.#since + this.#everyMs - this.#clock.now());
    if (waitMs <= 0) {
      void this.#now();
      return;
    }
    this.#cancel = this.#clock.later(waitMs, () => {
      this.#cancel = undefined;
      void this.#now();
    });
  }

  /** For good. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  async #now(): Promise<void> {
    this.#asked = false;
    this.#busy = true;
    await this.#run();
    this.#busy = false;
    this.#since = this.#clock.now();
    if (this.#asked) this.ask();
  }
}
