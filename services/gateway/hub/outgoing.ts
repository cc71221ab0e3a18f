import type { Entry } from './entry.ts';
import type { Defer } from './ports.ts';

/**
 * uWebSockets.js gathers up to 32 messages for a socket and writes them at the end of the turn, or when the next one
 * comes. Where they do not fit it names the first lost one only, and its attempt to write can make room: measured with
 * 100 publishes in one turn, 0–31 were lost and 32–99 arrived. Within one such gathering, all from the named one on is lost.
 */
const perTurn = 32;
/** What may wait here. Beyond it live events are left to the log, which has them all. */
const maxWaiting = 16_384;

/** Gives out no more entries in one turn of the loop than uWebSockets.js can tell the fate of; the rest waits its turn. */
export class Outgoing {
  readonly #publish: (entry: Entry) => void;
  readonly #defer: Defer;
  readonly #nextTurn = (): void => this.#begin();
  /** Of the ephemeral events of this turn: two equal frames could not be told apart. */
  readonly #ephemeral = new Set<string>();
  #queue: Entry[] = [];
  #first = 0;
  #left = perTurn;
  /** How many were ever given out. */
  #given = 0;
  #waiters: { until: number; resolve: () => void }[] = [];

  constructor(publish: (entry: Entry) => void, defer: Defer) {
    this.#publish = publish;
    this.#defer = defer;
  }

  get full(): boolean {
    return this.#queue.length - this.#first >= maxWaiting;
  }

  push(entry: Entry): void {
    if (this.#queue.length === 0 && this.#admits(entry)) this.#give(entry);
    else this.#queue.push(entry);
  }

  /** Resolves when all that was pushed before has been given out. */
  async passed(): Promise<void> {
    const until = this.#given + this.#queue.length - this.#first;
    if (until > this.#given) await new Promise<void>((resolve) => this.#waiters.push({ until, resolve }));
  }

  #begin(): void {
    this.#left = perTurn;
    this.#ephemeral.clear();
    while (this.#first < this.#queue.length && this.#admits(this.#queue[this.#first]!)) {
      this.#give(this.#queue[this.#first]!);
      this.#first += 1;
    }
    // Given up in large pieces: a queue that is never empty must not grow with what it has given out.
    if (this.#first === this.#queue.length || this.#first > 4096) {
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
    while (this.#waiters[0] && this.#waiters[0].until <= this.#given) this.#waiters.shift()!.resolve();
  }

  #admits(entry: Entry): boolean {
    if (this.#left === 0) return false;
    if (entry.kind !== 'event' || entry.seq > 0) return true;
    const twin = `${entry.topic} ${entry.body}`;
    return !this.#ephemeral.has(twin) && this.#ephemeral.add(twin).size > 0;
  }

  #give(entry: Entry): void {
    if (this.#left === perTurn) this.#defer(this.#nextTurn);
    this.#left -= 1;
    this.#given += 1;
    this.#publish(entry);
  }
}
