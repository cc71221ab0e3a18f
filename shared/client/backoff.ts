const firstMs = 100;
const longestMs = 5000;
const doublings = 6;

/** Full jitter: anything from nothing to a limit that doubles from 100 ms to 5 s, so that many clients do not come at once. */
export class Backoff {
  readonly #random: () => number;
  #tries = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  next(): number {
    const limit = Math.min(longestMs, firstMs * 2 ** this.#tries);
    this.#tries = Math.min(doublings, this.#tries + 1);
    return Math.floor(this.#random() * limit);
  }

  reset(): void {
    this.#tries = 0;
  }

  /** From the longest limit on: for one that was told that it comes too often. */
  exhaust(): void {
    this.#tries = doublings;
  }
}
