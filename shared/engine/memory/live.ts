import type { LiveBatch, LogListener } from '../engine.ts';
import { NextTurn } from './next-turn.ts';
import type { Topic } from './topic.ts';

/**
 * What one turn may gather. Beyond it nothing more is handed on and the listener is told that it was disturbed: it
 * then reads the log, which has everything.
 */
const mostPerTurn = 65_536;

/** Gathers what a turn of the loop appended to watched topics, and hands it over in one call in the next. */
export class Live {
  readonly #watched = new Set<string>();
  readonly #nextTurn = new NextTurn(() => this.#handOver());
  #all = false;
  #listener: LogListener | undefined;
  #batches: LiveBatch[] = [];
  #joinable: Topic[] = [];
  #gathered = 0;
  #overrun = false;

  listen(listener: LogListener): void {
    this.#listener = listener;
  }

  watch(topics: readonly string[]): void {
    for (const topic of topics) this.#watched.add(topic);
  }

  unwatch(topics: readonly string[]): void {
    for (const topic of topics) this.#watched.delete(topic);
  }

  watchAll(on: boolean): void {
    this.#all = on;
  }

  /** The topic's newest event, which has just been kept. */
  kept(topic: Topic, body: string, previousTs: number): void {
    if (!this.#takes(topic.name)) return;
    const { open, epoch, seq, ts } = topic;
    // Not the next in number: the topic was unwatched for a moment within this turn.
    if (open && open.epoch === epoch && open.ts === ts && open.seq + open.bodies.length === seq) {
      open.bodies.push(body);
      return;
    }
    topic.open = { topic: topic.name, epoch, seq, ts, previousTs, bodies: [body] };
    this.#batches.push(topic.open);
    this.#joinable.push(topic);
  }

  /** An event that is kept nowhere; `topic` where that name has ever been used for one that is. */
  passing(name: string, topic: Topic | undefined, body: string, ts: number): void {
    if (!this.#takes(name)) return;
    // A kept event after this one must not join a batch before it.
    if (topic) topic.open = undefined;
    const last = this.#batches.at(-1);
    if (last && last.seq === 0 && last.ts === ts && last.topic === name) last.bodies.push(body);
    else this.#batches.push({ topic: name, epoch: '', seq: 0, ts, previousTs: topic?.ts ?? 0, bodies: [body] });
  }

  stop(): void {
    this.#listener = undefined;
    this.#nextTurn.cancel();
    this.#take();
  }

  #takes(topic: string): boolean {
    if (!this.#listener || !(this.#all || this.#watched.has(topic))) return false;
    if (this.#gathered >= mostPerTurn) {
      this.#overrun = true;
      return false;
    }
    if (this.#gathered++ === 0) this.#nextTurn.ask();
    return true;
  }

  #handOver(): void {
    const overrun = this.#overrun;
    const batches = this.#take();
    this.#listener?.live(batches);
    if (overrun) this.#listener?.disturbed();
  }

  #take(): LiveBatch[] {
    const batches = this.#batches;
    for (const topic of this.#joinable) topic.open = undefined;
    this.#batches = [];
    this.#joinable = [];
    this.#gathered = 0;
    this.#overrun = false;
    return batches;
  }
}
