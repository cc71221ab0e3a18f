/**
 * What a run waits for outside of itself: a decision, the end of a pause. While there is anything, `rest` holds: the
 * job takes no slot, and no time is counted.
 */
export class Waiting {
  readonly #rest: () => () => void;
  readonly #waits = new Set<{ readonly over: () => boolean; readonly resolve: () => void }>();
  #wake: (() => void) | undefined;

  /** `rest` gives back the way to go on. */
  constructor(rest: () => () => void) {
    this.#rest = rest;
  }

  until(over: () => boolean): Promise<void> {
    if (over()) return Promise.resolve();
    this.#wake ??= this.#rest();
    return new Promise((resolve) => this.#waits.add({ over, resolve }));
  }

  /** Something has changed. */
  look(): void {
    for (const wait of this.#waits) {
      if (!wait.over()) continue;
      this.#waits.delete(wait);
      wait.resolve();
    }
    if (this.#waits.size > 0) return;
    this.#wake?.();
    this.#wake = undefined;
  }
}
