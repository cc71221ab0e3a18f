import type { ManualClock } from '../../../shared/base/clock.ts';

export interface Kept {
  topic: string;
  epoch: string;
  seq: number;
  ts: number;
  data: unknown;
  messageId: string | undefined;
}

interface Topic {
  epoch: string;
  seq: number;
  events: Kept[];
}

/** The store behind every fake connection: one numbering a topic, a memory for message ids, one clock. */
export class FakeLog {
  readonly clock: ManualClock;
  readonly topics = new Map<string, Topic>();
  /** All that was ever appended, in order. */
  readonly all: Kept[] = [];
  readonly #ids = new Map<string, Kept>();
  readonly #listeners = new Set<(event: Kept | { topic: string; renumbered: string }) => void>();
  #epochs = 0;

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  listen(listener: (event: Kept | { topic: string; renumbered: string }) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  append(topic: string, data: unknown, messageId?: string): { event: Kept; duplicate: boolean } {
    const known = messageId === undefined ? undefined : this.#ids.get(`${topic} ${messageId}`);
    if (known) return { event: known, duplicate: true };
    const log = this.#topic(topic);
    log.seq += 1;
    const event = { topic, epoch: log.epoch, seq: log.seq, ts: this.clock.now(), data, messageId };
    log.events.push(event);
    this.all.push(event);
    if (messageId !== undefined) this.#ids.set(`${topic} ${messageId}`, event);
    for (const listener of this.#listeners) listener(event);
    return { event, duplicate: false };
  }

  head(topic: string): { epoch: string; seq: number; first: number } {
    const log = this.topics.get(topic);
    return log
      ? { epoch: log.epoch, seq: log.seq, first: log.seq - log.events.length + 1 }
      : { epoch: '', seq: 0, first: 1 };
  }

  kept(topic: string): readonly Kept[] {
    return this.topics.get(topic)?.events ?? [];
  }

  trim(topic: string, keep: number): void {
    const log = this.topics.get(topic);
    if (log) log.events = log.events.slice(Math.max(0, log.events.length - keep));
  }

  /** The numbering is lost, and everything kept with it. */
  renumber(topic: string): void {
    if (!this.topics.delete(topic)) return;
    const { epoch } = this.#topic(topic);
    for (const listener of this.#listeners) listener({ topic, renumbered: epoch });
  }

  /** All of it is gone, and nothing takes its place. */
  lose(topic: string): void {
    if (!this.topics.delete(topic)) return;
    for (const listener of this.#listeners) listener({ topic, renumbered: '' });
  }

  #topic(topic: string): Topic {
    let log = this.topics.get(topic);
    if (!log) this.topics.set(topic, (log = { epoch: `e${(this.#epochs += 1)}`, seq: 0, events: [] }));
    return log;
  }
}
