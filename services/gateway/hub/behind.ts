import { Cursor } from './cursor.ts';
import type { Format } from './format.ts';
import type { HubStats } from './ports.ts';
import type { Missed, Ring } from './ring.ts';
import type { Subscriber } from './subscriber.ts';

/** The connections that are not on the fast lane, few of all, and where in the ring each of them stands. */
export class Behind {
  readonly #ring: Ring;
  readonly #stats: HubStats;
  readonly #matches: (subscriber: Subscriber, topic: string) => boolean;
  readonly #all = new Set<Subscriber>();
  /** Where the last lost frame was found: its neighbours are lost in the same turn, for many connections at once. */
  #lastLost = 0;

  constructor(ring: Ring, stats: HubStats, matches: (subscriber: Subscriber, topic: string) => boolean) {
    this.#ring = ring;
    this.#stats = stats;
    this.#matches = matches;
  }

  add(subscriber: Subscriber, n: number): Cursor {
    const cursor = new Cursor(n);
    subscriber.cursor = cursor;
    this.#all.add(subscriber);
    this.#stats.behindConnections += 1;
    return cursor;
  }

  remove(subscriber: Subscriber): void {
    subscriber.cursor = undefined;
    if (this.#all.delete(subscriber)) this.#stats.behindConnections -= 1;
  }

  /** A socket that found room while something else was sent to it does not say that it drained: it is asked now and then. */
  each(look: (subscriber: Subscriber) => void): void {
    for (const subscriber of this.#all) look(subscriber);
  }

  /** The ring is about to forget what is before `newTail`. */
  overrun(newTail: number): void {
    for (const subscriber of this.#all) {
      if (subscriber.cursor && subscriber.cursor.n < newTail) this.unpin(subscriber, subscriber.cursor);
    }
  }

  /** Turns a place in the ring into positions of topics, so that the ring may forget what is before its head. */
  unpin(subscriber: Subscriber, cursor: Cursor): void {
    if (cursor.n === this.#ring.head) return;
    for (const missed of this.#missedBy(subscriber, cursor.n)) {
      const { topic, epoch, firstSeq, lastSeq } = missed;
      const position = cursor.positions.get(topic);
      if (position?.epoch === epoch) {
        cursor.leaveAll(topic, position, lastSeq);
        continue;
      }
      if (missed.renumbered) cursor.renumber(topic, epoch);
      cursor.place(topic, { epoch, seq: Math.max(0, firstSeq - 1), until: lastSeq, replay: 0 });
    }
    cursor.n = this.#ring.head;
  }

  /** Where the entry stands whose frame this is, the very object; -1 where the ring no longer has it. */
  placeOf(frame: Uint8Array, format: Format): number {
    const ring = this.#ring;
    if (this.#lastLost >= ring.tail && this.#lastLost < ring.head) {
      if (ring.at(this.#lastLost).frames?.[format.index] === frame) return this.#lastLost;
    }
    for (let n = ring.head - 1; n >= ring.tail; n -= 1) {
      if (ring.at(n).frames?.[format.index] === frame) return (this.#lastLost = n);
    }
    return -1;
  }

  *#missedBy(subscriber: Subscriber, n: number): Iterable<Missed> {
    const missed = this.#ring.missedSince(n);
    const held = [...subscriber.subscriptions.values()];
    if (held.some(({ pattern }) => pattern)) {
      for (const one of missed.values()) if (this.#matches(subscriber, one.topic)) yield one;
      return;
    }
    for (const { name } of held) {
      const one = missed.get(name);
      if (one) yield one;
    }
  }
}
