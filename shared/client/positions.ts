/** Where the application stands in a topic. */
export interface Seen {
  epoch: string;
  seq: number;
  /** The time of that event by the store's clock. */
  ts: number;
  /** Where it goes on from here was not asked for or not said: the next event proves no hole. */
  loose: boolean;
}

export type Verdict = 'next' | 'repeated' | 'hole' | 'renumbered';

/**
 * The last event of each topic that the handlers have seen, for the whole client: the server sends an event once to a
 * connection, however many subscriptions match it. By this a repetition is known, and the way back found.
 */
export class Positions {
  readonly #seen = new Map<string, Seen>();

  get size(): number {
    return this.#seen.size;
  }

  get(topic: string): Seen | undefined {
    return this.#seen.get(topic);
  }

  all(): Iterable<[string, Seen]> {
    return this.#seen;
  }

  judge(topic: string, epoch: string, seq: number): Verdict {
    const seen = this.#seen.get(topic);
    if (!seen) return 'next';
    // The position of a topic that was never used is one in every numbering.
    if (seen.epoch !== epoch && seen.epoch !== '') return 'renumbered';
    if (seq <= seen.seq) return 'repeated';
    return seq === seen.seq + 1 || seen.loose ? 'next' : 'hole';
  }

  advance(topic: string, epoch: string, seq: number, ts: number): void {
    const seen = this.#seen.get(topic);
    if (!seen) {
      this.#seen.set(topic, { epoch, seq, ts, loose: false });
      return;
    }
    seen.epoch = epoch;
    seen.seq = seq;
    seen.ts = ts;
    seen.loose = false;
  }

  /** Learned from an answer, not from an event. */
  place(topic: string, seen: Seen): void {
    this.#seen.set(topic, seen);
  }

  forget(topic: string): void {
    this.#seen.delete(topic);
  }

  clear(): void {
    this.#seen.clear();
  }
}
