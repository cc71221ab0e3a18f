/** What may be wrong with a row of numbers. */
export interface Faults {
  readonly lost: number;
  readonly repeated: number;
  readonly outOfOrder: number;
  /** Missing right behind a position with which a client came back. */
  readonly resumeGap: number;
}

interface Hole {
  readonly from: number;
  readonly to: number;
  readonly resume: boolean;
}

/** Numbers that have to come one after the other, each once: those of a topic's events, or those a publisher gave to its own. */
export class Numbering {
  #next: number;
  #holes: readonly Hole[] = [];
  #repeated = 0;
  #outOfOrder = 0;
  #cameBack = false;

  constructor(first: number) {
    this.#next = first;
  }

  /** The highest there was; behind it a client comes back. */
  get last(): number {
    return this.#next - 1;
  }

  /** False for one that was there already. */
  take(number: number): boolean {
    if (number >= this.#next) {
      this.#missing(number - 1);
      this.#next = number + 1;
      return true;
    }
    const hole = this.#holes.find(({ from, to }) => from <= number && number <= to);
    if (hole === undefined) {
      this.#repeated++;
      return false;
    }
    this.#outOfOrder++;
    this.#holes = this.#holes.flatMap((one) => {
      if (one !== hole) return one;
      return [
        { ...hole, to: number - 1 },
        { ...hole, from: number + 1 },
      ].filter(({ from, to }) => from <= to);
    });
    return true;
  }

  /** The connection was cut, and the next number is the first that was asked for by the position. */
  comeBack(): void {
    this.#cameBack = true;
  }

  /** None is to come any more, and they should have gone up to `head`. */
  end(head: number): Faults {
    if (head >= this.#next) {
      this.#missing(head);
      this.#next = head + 1;
    }
    const missing = (resume: boolean): number =>
      this.#holes.reduce((sum, hole) => (hole.resume === resume ? sum + hole.to - hole.from + 1 : sum), 0);
    return {
      lost: missing(false),
      resumeGap: missing(true),
      repeated: this.#repeated,
      outOfOrder: this.#outOfOrder,
    };
  }

  #missing(to: number): void {
    if (to >= this.#next) this.#holes = [...this.#holes, { from: this.#next, to, resume: this.#cameBack }];
    this.#cameBack = false;
  }
}
