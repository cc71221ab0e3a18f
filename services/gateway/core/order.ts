/**
 * The order of what changes the subscriptions of one connection. What goes alone waits for all before it, and all after
 * it waits for that; what goes together with others of its kind waits for the former only.
 */
export class Order {
  /** Ends after everything that was asked for so far. Without a result: that of a replay's plan is large. */
  #last: Promise<unknown> | undefined = undefined;
  #lastAlone: Promise<unknown> | undefined = undefined;

  alone(work: () => Promise<void>): void {
    this.#last = this.#lastAlone = this.#last ? this.#last.then(work) : work();
  }

  together(work: () => Promise<void>): void {
    const done = this.#lastAlone ? this.#lastAlone.then(work) : work();
    this.#last = this.#last ? Promise.all([this.#last, done]).then(() => {}) : done;
  }
}
