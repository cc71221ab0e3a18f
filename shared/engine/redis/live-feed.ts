import type { LiveBatch, LogListener } from '../engine.ts';
import { parseBlocks } from './blocks.ts';
import type { TopicStates } from './topic-states.ts';

/**
 * The way of live events from the socket to the listener. What one read of the socket brought is handed over together.
 *
 * A publisher must have its answer before its own event. The two come on different connections in any order, so a
 * topic's batches that come while an append to it is under way are held until a turn after that append's answer: each
 * call has a number, calls are answered in order, and a batch waits for the last call that was sent for its topic.
 */
export class LiveFeed {
  readonly #states: TopicStates;
  readonly #underWay = new Map<string, number>();
  readonly #held = new Map<number, LiveBatch[]>();
  readonly #parsed: LiveBatch[] = [];
  readonly #handOver = (): void => this.#handOverNow();
  #listener: LogListener | undefined;
  #batches: LiveBatch[] = [];
  #serial = 0;

  constructor(states: TopicStates) {
    this.#states = states;
  }

  listen(listener: LogListener): void {
    this.#listener = listener;
  }

  /** A call that appends to these topics goes out now. */
  sent(topics: readonly string[]): number {
    const serial = ++this.#serial;
    for (const topic of topics) this.#underWay.set(topic, serial);
    return serial;
  }

  answered(serial: number, topics: readonly string[]): void {
    setImmediate(() => {
      for (const topic of topics) {
        if (this.#underWay.get(topic) === serial) this.#underWay.delete(topic);
      }
      const held = this.#held.get(serial);
      if (!held) return;
      this.#held.delete(serial);
      for (const batch of held) this.#pass(batch);
    });
  }

  /** One message of a channel; `wanted` leaves out topics that nobody watches any more. */
  take(message: string, wanted: (topic: string) => boolean): void {
    parseBlocks(message, this.#parsed);
    for (const batch of this.#parsed) {
      if (batch.seq > 0) {
        this.#states.saw(this.#states.of(batch.topic), batch.epoch, batch.seq + batch.bodies.length - 1);
      }
      if (!wanted(batch.topic)) continue;
      const serial = this.#underWay.get(batch.topic);
      if (serial === undefined) this.#pass(batch);
      else this.#hold(serial, batch);
    }
    this.#parsed.length = 0;
  }

  disturbed(): void {
    this.#handOverNow();
    this.#listener?.disturbed();
  }

  #hold(serial: number, batch: LiveBatch): void {
    const held = this.#held.get(serial);
    if (held) held.push(batch);
    else this.#held.set(serial, [batch]);
  }

  /** ioredis gives out all messages of one read before it returns to the loop: a microtask sees them together. */
  #pass(batch: LiveBatch): void {
    if (this.#batches.length === 0) queueMicrotask(this.#handOver);
    this.#batches.push(batch);
  }

  #handOverNow(): void {
    if (this.#batches.length === 0) return;
    const batches = this.#batches;
    this.#batches = [];
    this.#listener?.live(batches);
  }
}
