import type { Clock } from '../../base/clock.ts';

/** For what may be asked for often: done at once, and then at most once in so long, the last time included. */
export class Paced {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #run: () => void;
  #cancel: (() => void) | undefined;
  #asked = false;

  constructor(clock: Clock, everyMs: number, run: () => void) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#run = run;
  }

  ask(): void {
    if (this.#cancel) this.#asked = true;
    else this.#now();
  }

  /** Nothing that was asked for is left out. */
  flush(): void {
    this.stop();
    if (!this.#asked) return;
    this.#asked = false;
    this.#run();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #now(): void {
    this.#asked = false;
    this.#cancel = this.#clock.later(this.#everyMs, () => {
      this.#cancel = undefined;
      if (this.#asked) this.#now();
    });
    this.#run();
  }
}
