/** Where one topic stands for a connection that reads on: `seq` was the last one sent or given up. */
export interface Position {
  epoch: string;
  seq: number;
  /** Read the log up to here; what follows is in the ring. */
  until: number;
  /** Up to here it was asked for, and is never given up for being slow. */
  replay: number;
  /** Hushed requests that had begun when `until` was settled: what is to be read may be of their making. */
  begun: number;
  /**
   * What was left to the log after that, while `until` waited: it waits for requests that began later. With `until`
   * moved on instead, a topic that is left to the log without a break would never be read.
   */
  next: { until: number; begun: number } | undefined;
}

/** Some of what came before the ring's place is still to be read. */
export function waits({ seq, until, next }: Position): boolean {
  return seq < until || next !== undefined;
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

  /** Requests under way that are to be answered before what they cause, oldest first: the ring's head when each began. */
  readonly #hushes = new Map<number, number>();
  #begun = 0;

  constructor(n: number) {
    this.n = n;
  }

  get hushed(): boolean {
    return this.#hushes.size > 0;
  }

  /** Nothing that a ring with this head gets from now on is sent before what is given back is called. */
  hush(head: number): () => void {
    const number = (this.#begun += 1);
    this.#hushes.set(number, head);
    return () => void this.#hushes.delete(number);
  }

  /** So far it may read in a ring with this head. */
  upTo(head: number): number {
    for (const from of this.#hushes.values()) return from;
    return head;
  }

  /** What is to be read of the topic was in the log before any of the requests under way began. */
  mayRead(topic: string): boolean {
    for (const oldest of this.#hushes.keys()) return (this.positions.get(topic)?.begun ?? 0) < oldest;
    return true;
  }

  /** Of some topic older events are still to come than of others. */
  get readsLog(): boolean {
    return this.reading.length > 0 || this.toRead.length > 0;
  }

  place(topic: string, position: Omit<Position, 'begun' | 'next'>): void {
    this.positions.set(topic, { ...position, begun: this.#begun, next: undefined });
    if (position.seq < position.until) this.toRead.push(topic);
  }

  /** The next topics that may be read. */
  takeToRead(most: number): string[] {
    if (!this.hushed) return this.toRead.splice(0, most);
    const next = this.toRead.filter((topic) => this.mayRead(topic)).slice(0, most);
    const taken = new Set(next);
    this.toRead = this.toRead.filter((topic) => !taken.has(topic));
    return next;
  }

  /** As `leave`, up to an event that a request under way may have caused. */
  leaveAll(topic: string, position: Position, until: number): void {
    if (waits(position) && position.begun < this.#begun) {
      position.next = { until: Math.max(position.next?.until ?? 0, until), begun: this.#begun };
      return;
    }
    this.leave(topic, position, until);
    position.begun = this.#begun;
  }

  /** Up to here the topic is left to the log. */
  leave(topic: string, position: Position, until: number): void {
    const waited = waits(position);
    const last = position.next ?? position;
    last.until = Math.max(last.until, until);
    if (!waited && position.seq < position.until) this.toRead.push(topic);
  }

  /** All up to `until` was read or given up. */
  wasRead(topic: string, position: Position): void {
    if (!position.next) return;
    ({ until: position.until, begun: position.begun } = position.next);
    position.next = undefined;
    if (position.seq < position.until) this.toRead.push(topic);
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
