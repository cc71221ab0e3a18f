/** Somebody with answers that wait to be written. */
export interface Answerer {
  writeAnswers(): void;
}

/**
 * A store that answers many publishes at once makes as many answers in one go. Written one by one each costs a system
 * call, several times what the rest of a publish costs; so they are written together, a write per connection, when the
 * microtasks that make them have run. Events that the publishes caused come a turn later, and so behind their answers.
 */
export class Answers {
  #waiting: Answerer[] = [];
  readonly #write = (): void => this.#writeAll();

  add(answerer: Answerer): void {
    if (this.#waiting.push(answerer) === 1) queueMicrotask(this.#write);
  }

  #writeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const answerer of waiting) answerer.writeAnswers();
  }
}
