import type { LogEvent } from '../../../shared/engine/engine.ts';
import type { Tail } from './tail.ts';

/** An event on its way to subscribers, encoded at most once per format. */
export class Event implements LogEvent {
  readonly kind = 'event';
  /** Its place in the ring; what a connection that leaves the fast lane remembers. */
  n = 0;
  readonly topic: string;
  /** '' for an ephemeral event, with seq 0. */
  readonly epoch: string;
  readonly seq: number;
  readonly ts: number;
  readonly body: string;
  /** What follows the topic here; none for an event of a page. */
  readonly tail: Tail | undefined;
  frames: (Uint8Array | null | undefined)[] | undefined = undefined;

  constructor(topic: string, epoch: string, seq: number, ts: number, body: string, tail?: Tail) {
    this.tail = tail;
    this.topic = topic;
    this.epoch = epoch;
    this.seq = seq;
    this.ts = ts;
    this.body = body;
  }
}

/** Events `from`..`to` of a topic will not come: they were trimmed, or the client was too slow. */
export class Gap {
  readonly kind = 'gap';
  n = 0;
  readonly topic: string;
  readonly epoch: string;
  readonly from: number;
  readonly to: number;
  readonly tail: Tail | undefined;
  frames: (Uint8Array | null | undefined)[] | undefined = undefined;

  constructor(topic: string, epoch: string, from: number, to: number, tail?: Tail) {
    this.tail = tail;
    this.topic = topic;
    this.epoch = epoch;
    this.from = from;
    this.to = to;
  }
}

/** The topic's numbering is another one from here on, or '' where the topic is gone as a whole; something may be lost. */
export class Renumbered {
  readonly kind = 'renumbered';
  n = 0;
  readonly topic: string;
  readonly epoch: string;
  /** Where the new numbering is taken up. */
  readonly seq: number;
  readonly tail: Tail | undefined;
  frames: (Uint8Array | null | undefined)[] | undefined = undefined;

  constructor(topic: string, epoch: string, seq: number, tail?: Tail) {
    this.tail = tail;
    this.seq = seq;
    this.topic = topic;
    this.epoch = epoch;
  }
}

export type Entry = Event | Gap | Renumbered;

export function saysGone(entry: Entry): boolean {
  return entry.kind === 'renumbered' && entry.epoch === '';
}
