import type { Clock } from '../../shared/base/clock.ts';

/** Time that is spent only while it runs. */
export class Budget {
  readonly #clock: Clock;
  readonly #spent: () => void;
  #leftMs: number;
  #since = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, ms: number, spent: () => void) {
    this.#clock = clock;
    this.#leftMs = ms;
    this.#spent = spent;
  }

  go(): void {
    if (this.#cancel) return;
    this.#since = this.#clock.now();
    this.#cancel = this.#clock.later(this.#leftMs, this.#spent);
  }

  halt(): void {
    if (!this.#cancel) return;
    this.#cancel();
    this.#cancel = undefined;
    this.#leftMs = Math.max(0, this.#leftMs - (this.#clock.now() - this.#since));
  }
}
