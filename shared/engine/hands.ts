import type { Clock } from '../base/clock.ts';
import type { HeldJob } from './engine.ts';

/** A parked job costs its memory and its renewals; one over this many keeps its slot. */
const mostParked = 10_000;

/** What one consumer holds, in either engine, and how much more it may take. `Job` is what the engine knows of a job. */
export class Hands<Job> {
  readonly #slots: number;
  readonly #freed: () => void;
  readonly #held = new Set<Hand<Job>>();
  #parked = 0;
  #promised = 0;
  #emptied: (() => void) | undefined;

  constructor(slots: number, freed: () => void) {
    this.#slots = slots;
    this.#freed = freed;
  }

  /** Below 0 where jobs were unparked while every slot was taken. */
  get free(): number {
    return this.#slots - this.#promised - (this.#held.size - this.#parked);
  }

  [Symbol.iterator](): IterableIterator<Hand<Job>> {
    return this.#held[Symbol.iterator]();
  }

  take(id: string, data: string, job: Job): Hand<Job> {
    const hand: Hand<Job> = new Hand(id, data, job, {
      park: () => this.#park(hand),
      unpark: () => this.#unpark(hand),
    });
    this.#held.add(hand);
    return hand;
  }

  release(hand: Hand<Job>): void {
    if (!this.#held.delete(hand)) return;
    if (hand.parked) this.#parked--;
    else this.#freed();
    if (this.#held.size === 0) this.#emptied?.();
  }

  /** Keeps a slot for a job that is on its way, until `arrived`. */
  promise(): void {
    this.#promised++;
  }

  arrived(): void {
    this.#promised--;
  }

  /** Resolves when nothing is held any more, or when the time is over. */
  emptied(withinMs: number, clock: Clock): Promise<void> {
    if (this.#held.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = clock.later(withinMs, resolve);
      this.#emptied = () => {
        cancel();
        resolve();
      };
    });
  }

  #park(hand: Hand<Job>): boolean {
    if (!this.#held.has(hand) || this.#parked >= mostParked) return false;
    this.#parked++;
    this.#freed();
    return true;
  }

  #unpark(hand: Hand<Job>): void {
    if (this.#held.has(hand)) this.#parked--;
  }
}

export class Hand<Job> implements HeldJob {
  readonly id: string;
  readonly data: string;
  readonly job: Job;
  readonly #lost = new AbortController();
  readonly #slot: { park(): boolean; unpark(): void };
  #parked = false;

  constructor(id: string, data: string, job: Job, slot: { park(): boolean; unpark(): void }) {
    this.id = id;
    this.data = data;
    this.job = job;
    this.#slot = slot;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get parked(): boolean {
    return this.#parked;
  }

  lose(): void {
    this.#lost.abort();
  }

  park(): () => void {
    this.#parked ||= this.#slot.park();
    return () => {
      if (this.#parked) this.#slot.unpark();
      this.#parked = false;
    };
  }
}
