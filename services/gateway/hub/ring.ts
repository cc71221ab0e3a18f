import type { Entry } from './entry.ts';

/** What the ring has of one topic from some place on: these numbers, or only a change of numbering. */
export interface Missed {
  topic: string;
  /** 0 where there is nothing but the change. */
  firstSeq: number;
  lastSeq: number;
  epoch: string;
  renumbered: boolean;
}

/**
 * What this node published lately, in that order, for all who are not on the fast lane. Bounded by count and by
 * bytes; an eighth is given up at a time, after `beforeOverrun` could turn the places in it into positions of topics.
 * An event costs a slot and no more: what a topic has in it is looked up by going through it, when somebody is overrun.
 */
export class Ring {
  /** The place that the next entry gets. */
  head = 0;
  /** The lowest place still held. */
  tail = 0;
  readonly #capacity: number;
  readonly #maxBytes: number;
  readonly #entries: (Entry | undefined)[];
  readonly #beforeOverrun: (newTail: number) => void;
  #bytes = 0;
  /** The last answer of `missedSince`: clients that stopped reading stand at the same place after they were overrun once. */
  #known = { from: 0, head: 0, missed: new Map<string, Missed>() };

  constructor(capacity: number, maxBytes: number, beforeOverrun: (newTail: number) => void) {
    this.#capacity = capacity;
    this.#maxBytes = maxBytes;
    this.#entries = Array.from({ length: capacity });
    this.#beforeOverrun = beforeOverrun;
  }

  push(entry: Entry): void {
    if (this.head - this.tail >= this.#capacity || this.#bytes > this.#maxBytes) this.#makeRoom();
    entry.n = this.head;
    this.#entries[this.head % this.#capacity] = entry;
    this.head += 1;
    if (entry.kind === 'event') this.#bytes += entry.body.length;
  }

  at(n: number): Entry {
    return this.#entries[n % this.#capacity]!;
  }

  /** The topics with something kept at or after `n`. */
  missedSince(n: number): ReadonlyMap<string, Missed> {
    if (this.#known.from === n && this.#known.head === this.head) return this.#known.missed;
    const missed = new Map<string, Missed>();
    for (let place = Math.max(n, this.tail); place < this.head; place += 1) addTo(missed, this.at(place));
    this.#known = { from: n, head: this.head, missed };
    return missed;
  }

  #makeRoom(): void {
    const newTail = this.tail + Math.max(1, Math.ceil((this.head - this.tail) / 8));
    this.#beforeOverrun(newTail);
    for (; this.tail < newTail; this.tail += 1) {
      const entry = this.at(this.tail);
      if (entry.kind === 'event') this.#bytes -= entry.body.length;
      this.#entries[this.tail % this.#capacity] = undefined;
    }
  }
}

function addTo(missed: Map<string, Missed>, entry: Entry): void {
  const { topic, epoch, kind } = entry;
  if (kind === 'renumbered') {
    missed.set(topic, { topic, epoch, firstSeq: 0, lastSeq: 0, renumbered: true });
    return;
  }
  if (kind === 'event' && entry.seq === 0) return;
  const first = kind === 'gap' ? entry.from : entry.seq;
  const last = kind === 'gap' ? entry.to : entry.seq;
  const known = missed.get(topic);
  if (!known) {
    missed.set(topic, { topic, epoch, firstSeq: first, lastSeq: last, renumbered: false });
    return;
  }
  if (known.lastSeq === 0) known.firstSeq = first;
  known.lastSeq = last;
}
