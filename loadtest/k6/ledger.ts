import { Numbering } from './numbering.ts';
import type { Faults } from './numbering.ts';

/** What every published event carries: who published it, its number there, of how many, and when. */
export interface Payload {
  readonly publisher: string;
  readonly number: number;
  readonly of: number;
  readonly at: number;
}

export interface LoadEvent {
  readonly seq: number;
  readonly epoch: string;
  readonly data: Payload;
}

export interface Position {
  readonly seq: number;
  readonly epoch: string;
}

/**
 * The events of one topic as one client got them, held against two rows of numbers: the topic's, which the broker
 * gives and which have no holes, and those of the publishers, which the broker cannot bend to its own mistakes.
 */
export class Ledger {
  #epoch: string;
  #seqs: Numbering;
  readonly #publishers = new Map<string, { numbers: Numbering; of: number }>();
  /** The faults of numberings that were given up. */
  #renumbered: Faults = { lost: 0, repeated: 0, outOfOrder: 0, resumeGap: 0 };

  /** Begins behind a position; that of a topic never used is `{seq: 0, epoch: ''}`. */
  constructor(position: Position) {
    this.#epoch = position.epoch;
    this.#seqs = new Numbering(position.seq + 1);
  }

  get position(): Position {
    return { seq: this.#seqs.last, epoch: this.#epoch };
  }

  take({ seq, epoch, data }: LoadEvent): void {
    if (epoch !== this.#epoch) this.#renumber(seq, epoch);
    if (!this.#seqs.take(seq)) return;
    let publisher = this.#publishers.get(data.publisher);
    if (publisher === undefined) {
      publisher = { numbers: new Numbering(1), of: data.of };
      this.#publishers.set(data.publisher, publisher);
    }
    publisher.numbers.take(data.number);
  }

  /** Cut, and back with `position`. */
  comeBack(): void {
    this.#seqs.comeBack();
  }

  /** The publishers are done and the topic stands at `head`. One fault shows in both rows and counts once. */
  end(head: Position): Faults {
    if (head.epoch !== this.#epoch) this.#renumber(1, head.epoch);
    const seqs = sum(this.#renumbered, this.#seqs.end(head.seq));
    const numbers = [...this.#publishers.values()].map(({ numbers, of }) => numbers.end(of)).reduce(sum, none);
    return {
      lost: Math.max(seqs.lost, numbers.lost - seqs.resumeGap),
      // An event that the broker kept twice has a number of its own each time.
      repeated: seqs.repeated + numbers.repeated,
      outOfOrder: Math.max(seqs.outOfOrder, numbers.outOfOrder),
      resumeGap: seqs.resumeGap,
    };
  }

  /** The first numbering of a topic begins with its first event; any other means that something may be lost. */
  #renumber(seq: number, epoch: string): void {
    if (this.#epoch !== '') {
      this.#renumbered = sum(this.#renumbered, this.#seqs.end(this.#seqs.last));
      this.#renumbered = sum(this.#renumbered, { ...none, lost: 1 });
      this.#seqs = new Numbering(seq);
    }
    this.#epoch = epoch;
  }
}

const none: Faults = { lost: 0, repeated: 0, outOfOrder: 0, resumeGap: 0 };

function sum(a: Faults, b: Faults): Faults {
  return {
    lost: a.lost + b.lost,
    repeated: a.repeated + b.repeated,
    outOfOrder: a.outOfOrder + b.outOfOrder,
    resumeGap: a.resumeGap + b.resumeGap,
  };
}
