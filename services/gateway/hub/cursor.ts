/** Where one topic stands for a connection that reads on: `seq` was the last one sent or given up. */
export interface Position {
  epoch: string;
  seq: number;
  /** Read the log up to here; what follows is in the ring. */
  until: number;
  /** Up to here it was asked for, and is never given up for being slow. */
  replay: number;
}

/** What is to be said of a topic before anything more of it is sent. */
export interface Lost {
  from: number;
  to: number;
  /** Set where the numbering changed. */
  epoch: string | undefined;
}

/**
 * Where a connection stands that is not on the fast lane: the log, for each topic that stands elsewhere, and the ring
 * from `n` to its head; with nothing left of either it is live again. A number and, for few, some positions: never a
 * copy of a backlog.
 */
export class Cursor {
  n: number;
  readonly positions = new Map<string, Position>();
  /** The topics that are being read from the log, the next one last. The ring waits for them, and for no others. */
  reading: string[] = [];
  /** All other topics with `seq` below `until`, in the order in which they came. */
  toRead: string[] = [];
  readonly lost = new Map<string, Lost>();
  /** Since when the socket has had no room; 0 while it has. */
  blockedSince = 0;
  /** Waits for a page of the log. */
  waiting = false;
  /** Stands in the pump's queue. */
  queued = false;
  /** Some of what the fast lane gathered last may still turn out to be lost, until the turn ends. */
  undecided = false;

  /** Requests under way that are to be answered before any event comes. */
  hushed = 0;

  constructor(n: number) {
    this.n = n;
  }

  /** Of some topic older events are still to come than of others. */
  get readsLog(): boolean {
    return this.reading.length > 0 || this.toRead.length > 0;
  }

  place(topic: string, position: Position): void {
    this.positions.set(topic, position);
    if (position.seq < position.until) this.toRead.push(topic);
  }

  /** Up to here the topic is left to the log. */
  leave(topic: string, position: Position, until: number): void {
    const waits = position.seq < position.until;
    position.until = Math.max(position.until, until);
    if (!waits && position.seq < position.until) this.toRead.push(topic);
  }

  /** One notice a topic, extended, however much is lost. */
  lose(topic: string, from: number, to: number): void {
    const lost = this.lost.get(topic);
    if (!lost) this.lost.set(topic, { from, to, epoch: undefined });
    else if (lost.to === 0) {
      lost.from = from;
      lost.to = to;
    } else lost.to = Math.max(lost.to, to);
  }

  renumber(topic: string, epoch: string): void {
    this.lost.set(topic, { from: 0, to: 0, epoch });
  }
}
