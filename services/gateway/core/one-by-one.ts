/** Work of one connection that has to happen in the order in which it was asked for, though each takes a while. What was taken is done, also when the connection is gone. */
export class OneByOne {
  readonly #mostWaiting: number;
  readonly #waiting: Work[] = [];
  #busy = false;

  constructor(mostWaiting: number) {
    this.#mostWaiting = mostWaiting;
  }

  /** `work` begins when what was asked for before is done, and says when it is done itself. False: too much waits already. */
  ask(work: Work): boolean {
    if (this.#busy && this.#waiting.length >= this.#mostWaiting) return false;
    this.#waiting.push(work);
    if (!this.#busy) this.#next();
    return true;
  }

  #next(): void {
    const work = this.#waiting.shift();
    this.#busy = work !== undefined;
    work?.(() => this.#next());
  }
}

type Work = (done: () => void) => void;
