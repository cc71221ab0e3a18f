import type { Entry } from './entry.ts';

/** Where the entries of one topic stand in the ring. Its kept events and gaps: what an overrun connection has to read again. */
class TopicIndex {
  ns: number[] = [];
  start = 0;
  /** The place of the last change of numbering; events before it are no longer indexed. */
  renumberedAt = -1;

  /** The lowest place at or after `n`, or -1. */
  firstFrom(n: number): number {
    let low = this.start;
    let high = this.ns.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ns[middle]! < n) low = middle + 1;
      else high = middle;
    }
    return low < this.ns.length ? this.ns[low]! : -1;
  }

  dropBelow(n: number): void {
    while (this.start < this.ns.length && this.ns[this.start]! < n) this.start += 1;
    if (this.start > 64 && this.start * 2 > this.ns.length) {
      this.ns = this.ns.slice(this.start);
      this.start = 0;
    }
  }
}

/** What an overrun connection missed of one topic: from this event on, or after this change of numbering. */
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
  readonly #topics = new Map<string, TopicIndex>();
  #bytes = 0;

  constructor(capacity: number, maxBytes: number, beforeOverrun: (newTail: number) => void) {
    this.#capacity = capacity;
    this.#maxBytes = maxBytes;
    this.#entries = Array.from({ length: capacity });
    this.#beforeOverrun = beforeOverrun;
  }

  push(entry: Entry): void {
    if (this.head - this.tail >= this.#capacity || this.#bytes > this.#maxBytes) this.#makeRoom();
    entry.n = this.head;
    this.#entries[entry.n % this.#capacity] = entry;
    this.head += 1;
    if (entry.kind === 'event') {
      this.#bytes += entry.body.length;
      if (entry.seq === 0) return;
    }
    let index = this.#topics.get(entry.topic);
    if (!index) this.#topics.set(entry.topic, (index = new TopicIndex()));
    if (entry.kind !== 'renumbered') {
      index.ns.push(entry.n);
    } else {
      index.ns = [];
      index.start = 0;
      index.renumberedAt = entry.n;
    }
  }

  at(n: number): Entry {
    return this.#entries[n % this.#capacity]!;
  }

  /** The topics with something at or after `n`, with the first of it. */
  *missedSince(n: number): Iterable<Missed> {
    for (const topic of this.#topics.keys()) {
      const missed = this.missedOf(topic, n);
      if (missed) yield missed;
    }
  }

  missedOf(topic: string, n: number): Missed | undefined {
    const index = this.#topics.get(topic);
    if (!index) return undefined;
    const renumbered = index.renumberedAt >= n;
    const first = index.firstFrom(n);
    if (first >= 0) {
      const from = this.at(first);
      const to = this.at(index.ns.at(-1)!);
      return { topic, firstSeq: fromOf(from), lastSeq: toOf(to), epoch: to.epoch, renumbered };
    }
    return renumbered
      ? { topic, firstSeq: 0, lastSeq: 0, epoch: this.at(index.renumberedAt).epoch, renumbered }
      : undefined;
  }

  #makeRoom(): void {
    const newTail = this.tail + Math.max(1, Math.ceil((this.head - this.tail) / 8));
    this.#beforeOverrun(newTail);
    for (; this.tail < newTail; this.tail += 1) {
      const entry = this.at(this.tail);
      if (entry.kind === 'event') this.#bytes -= entry.body.length;
      this.#entries[this.tail % this.#capacity] = undefined;
      const index = this.#topics.get(entry.topic);
      if (!index) continue;
      index.dropBelow(this.tail + 1);
      if (index.start === index.ns.length && index.renumberedAt <= this.tail) this.#topics.delete(entry.topic);
    }
  }
}

function fromOf(entry: Entry): number {
  return entry.kind === 'event' ? entry.seq : entry.kind === 'gap' ? entry.from : 0;
}

function toOf(entry: Entry): number {
  return entry.kind === 'event' ? entry.seq : entry.kind === 'gap' ? entry.to : 0;
}
