/** One line for a spell of them: where the store is away, every job's work may throw, again and again. */
const warnEveryMs = 10_000;

/** Jobs of one queue whose work threw. */
export class Faults {
  readonly #queue: string;
  readonly #warn: (message: string) => void;
  #warnedAt = -Infinity;

  constructor(queue: string, warn: (message: string) => void) {
    this.#queue = queue;
    this.#warn = warn;
  }

  /** How long the job waits, of which this was the so-manieth fault. */
  delayAfter(count: number, error: unknown): number {
    const now = performance.now();
    if (now - this.#warnedAt >= warnEveryMs) {
      this.#warnedAt = now;
      this.#warn(`the work on a job of the queue ${this.#queue} failed, and is tried again: ${String(error)}`);
    }
    return Math.min(100 * 2 ** Math.min(count - 1, 10), 10_000);
  }
}
