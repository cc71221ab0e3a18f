/**
 * Time as a collaborator, so that everything with a timer can be driven by hand in a test.
 * `later` runs once and gives back its cancel.
 */
export interface Clock {
  now(): number;
  later(ms: number, run: () => void): () => void;
}

/** What a timer of the runtime can hold: one that is longer would run at once. */
const longestMs = 2 ** 31 - 1;

export const realClock: Clock = {
  now: () => Date.now(),
  later(ms, run) {
    if (ms > longestMs) return inStretches(ms, run);
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

function inStretches(ms: number, run: () => void): () => void {
  let cancel = realClock.later(longestMs, () => {
    cancel = realClock.later(ms - longestMs, run);
  });
  return () => cancel();
}

/** Stands still until told otherwise. Timers run in order of their due time, then of their making. */
export class ManualClock implements Clock {
  #now: number;
  #timers: { at: number; run: () => void }[] = [];

  constructor(now = 1_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  later(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: { at: number; run: () => void } | undefined;
      for (const timer of this.#timers) {
        if (timer.at <= end && (!next || timer.at < next.at)) next = timer;
      }
      if (!next) break;
      const due = next;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
    }
    this.#now = end;
  }

  get pending(): number {
    return this.#timers.length;
  }
}
