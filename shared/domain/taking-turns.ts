/**
 * Work of one name waits for the one before. Between processes a compare-and-set decides; within one, a crowd of
 * callers would only make each other try again, n times n over.
 */
export class TakingTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name);
    const turn = before ? before.then(work, work) : work();
    this.#last.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(name) === turn) this.#last.delete(name);
    }
  }
}
