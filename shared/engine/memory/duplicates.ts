import type { Topic } from './topic.ts';

/** The contract says at least this long. */
const rememberMs = 120_000;

type Positions = Map<Topic, Map<string, { seq: number; ts: number }>>;

/**
 * The message ids of the last two to four minutes, in two generations: forgetting is dropping the older one whole,
 * where an expiry per id would cost more than the append it belongs to. Its size is what was published with an id in
 * that time, and cannot be less: the ids are a promise.
 */
export class Duplicates {
  #young: Positions = new Map();
  #old: Positions = new Map();
  #youngSince = 0;

  find(topic: Topic, id: string): { seq: number; ts: number } | undefined {
    return this.#young.get(topic)?.get(id) ?? this.#old.get(topic)?.get(id);
  }

  remember(topic: Topic, id: string): void {
    let ids = this.#young.get(topic);
    if (!ids) this.#young.set(topic, (ids = new Map()));
    ids.set(id, { seq: topic.seq, ts: topic.ts });
  }

  /** The generations move up when the younger one began that long ago; each id then stays for as long again. */
  age(now: number): void {
    if (now < this.#youngSince + rememberMs) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngSince = now;
  }

  knows(topic: Topic): boolean {
    return this.#young.has(topic) || this.#old.has(topic);
  }
}
