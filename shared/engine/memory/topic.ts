import { shortId } from '../../base/ids.ts';
import type { LiveBatch, LogEvent, TopicHead } from '../engine.ts';
import type { Linked, Recency } from './recency.ts';

const smallest = 4;

/**
 * One topic: its numbering, and its kept events. They are numbered without holes, so `seq` is their place in a ring
 * (its size is a power of two): trimming the head moves a number, and any range is found without a search. Bodies and
 * times stand in two plain arrays, which spares an object per event.
 */
export class Topic implements Linked<Topic> {
  readonly name: string;
  epoch = shortId();
  seq = 0;
  ts = 0;
  first = 1;
  fence = -Infinity;
  sealed = false;
  /** The last event stays, whatever its age. */
  retained = false;
  /** The batch of this turn that the next event may still join. */
  open: LiveBatch | undefined = undefined;
  /** Where it stands since its events became too old: only the numbering is left, or the retained event with it. */
  resting: Recency<Topic> | undefined = undefined;
  older: Topic | undefined = undefined;
  newer: Topic | undefined = undefined;
  #bodies: string[] = [];
  #times: number[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get kept(): number {
    return this.seq + 1 - this.first;
  }

  push(body: string, ts: number, keep: number): void {
    this.#dropTo(this.seq + 2 - Math.max(keep, 1));
    if (this.kept === this.#bodies.length) this.#grow(ts);
    this.seq++;
    this.ts = ts;
    const slot = this.seq & (this.#bodies.length - 1);
    this.#bodies[slot] = body;
    this.#times[slot] = ts;
    if (keep < 1) this.#empty();
  }

  /** Lets go of the events that are as old as `time` or older. */
  expire(time: number): void {
    if (this.kept === 0) return;
    if (this.ts <= time) this.#outlive();
    else if (this.#timeOf(this.first) <= time) this.#dropTo(this.#firstAfter(time));
  }

  head(since?: number): TopicHead {
    const { name, epoch, seq, ts, first } = this;
    // Times are whole milliseconds: at or after `since` is after what lies just below it.
    const before = since === undefined ? 0 : this.#firstAfter(Math.ceil(since) - 1) - 1;
    return { topic: name, epoch, seq, ts, first, before };
  }

  after(seq: number, limit: number): LogEvent[] {
    const events: LogEvent[] = [];
    const from = Math.max(seq + 1, this.first);
    const to = Math.min(this.seq, from + limit - 1);
    for (let at = from; at <= to; at++) events.push(this.#event(at));
    return events;
  }

  before(seq: number, limit: number): LogEvent[] {
    const events: LogEvent[] = [];
    const from = Math.min(seq - 1, this.seq);
    const to = Math.max(this.first, from - limit + 1);
    for (let at = from; at >= to; at--) events.push(this.#event(at));
    return events;
  }

  #event(seq: number): LogEvent {
    const body = this.#bodies[seq & (this.#bodies.length - 1)] as string;
    return { topic: this.name, seq, epoch: this.epoch, ts: this.#timeOf(seq), body };
  }

  #timeOf(seq: number): number {
    return this.#times[seq & (this.#times.length - 1)] as number;
  }

  /** The lowest kept seq that is younger than `time`, or the next seq there will be. */
  #firstAfter(time: number): number {
    let low = this.first;
    let high = this.seq + 1;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.#timeOf(middle) > time) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #dropTo(first: number): void {
    const mask = this.#bodies.length - 1;
    // A slot that still named its body would hold it for as long as the topic is quiet.
    for (; this.first < first; this.first++) this.#bodies[this.first & mask] = '';
  }

  /** All are too old: none is left, but for the last one where it stays. */
  #outlive(): void {
    if (!this.retained) return this.#empty();
    if (this.kept === 1) return;
    const body = this.#bodies[this.seq & (this.#bodies.length - 1)] as string;
    this.#empty();
    this.#grow(this.ts);
    this.first = this.seq;
    this.#bodies[this.seq & (smallest - 1)] = body;
  }

  #empty(): void {
    this.first = this.seq + 1;
    this.#bodies = [];
    this.#times = [];
  }

  #grow(ts: number): void {
    const size = Math.max(smallest, this.#bodies.length * 2);
    // Filled with a time, not with 0: the array is then one of plain doubles from the start.
    const times = Array.from({ length: size }, () => ts);
    const bodies = Array.from({ length: size }, () => '');
    for (let seq = this.first; seq <= this.seq; seq++) {
      bodies[seq & (size - 1)] = this.#bodies[seq & (this.#bodies.length - 1)] as string;
      times[seq & (size - 1)] = this.#timeOf(seq);
    }
    this.#bodies = bodies;
    this.#times = times;
  }
}
