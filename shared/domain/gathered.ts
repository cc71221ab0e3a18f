/**
 * Work done for all who asked for it since it last began: one at a time, and whoever asks while it is under way is in
 * the next one. So nobody's answer is older than their question, and a crowd costs two rounds. `work` never throws.
 */
export class Gathered<T> {
  readonly #work: () => Promise<T>;
  #underWay: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(work: () => Promise<T>) {
    this.#work = work;
  }

  get idle(): boolean {
    return this.#underWay === undefined && this.#next === undefined;
  }

  ask(): Promise<T> {
    // Looked at first: when one ends, the next begins a moment later, and whoever asks in between must not begin another.
    if (this.#next) return this.#next;
    if (!this.#underWay) return this.#begin();
    this.#next = this.#underWay.then(() => {
      this.#next = undefined;
      return this.#begin();
    });
    return this.#next;
  }

  #begin(): Promise<T> {
    this.#underWay = this.#work().then((result) => {
      this.#underWay = undefined;
      return result;
    });
    return this.#underWay;
  }
}

/** So many at once go into one call of the store: more would hold up everybody else's. */
export function portions<T>(items: Iterable<T>, size: number): T[][] {
  const all = [...items];
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
