/** Runs once, in a later turn of the loop, however often it was asked for in this one. */
export class NextTurn {
  readonly #run: () => void;
  #pending: NodeJS.Immediate | undefined;

  constructor(run: () => void) {
    this.#run = () => {
      this.#pending = undefined;
      run();
    };
  }

  ask(): void {
    this.#pending ??= setImmediate(this.#run);
  }

  cancel(): void {
    if (this.#pending) clearImmediate(this.#pending);
    this.#pending = undefined;
  }
}
