/** Stands for the numbering of a topic that is gone as a whole. None has this name: whatever comes next is of another one. */
const nowhere = '-';

/**
 * How far this node has followed one topic. `following`: the next live event is the one after `seq`.
 * `reading`: something is missing or in doubt; live events only say how far there is to go, the log gives them.
 */
export class Tail {
  readonly topic: string;
  epoch = '';
  seq = 0;
  /** The time of the event `seq`; 0 when it is not known. */
  ts = 0;
  state: 'following' | 'reading' = 'reading';
  /** Is it known where to begin? */
  located = false;
  /** The last that went into the ring: what is read but waits its turn is not yet part of it. */
  sentEpoch = '';
  sentSeq = 0;
  /** Up to here events came by reading, so that each may still come once more, live. */
  readTo = 0;
  /** The last live event that was left to the log. */
  wantedEpoch = '';
  wantedSeq = 0;
  /** Something was lost since the last question went out: its answer proves nothing. */
  doubt = false;
  /** The store gave out numbers a second time: it has to begin a new numbering. */
  rewound = false;
  /** Nothing follows any more, and who follows it by its name was told so. */
  vanished = false;
  /** A read is under way; whoever wants another only says what for. */
  busy = false;
  /** Raised when the tail is dropped, so that a read under way knows. */
  gone = false;
  #waiters: (() => void)[] = [];

  constructor(topic: string) {
    this.topic = topic;
  }

  want(epoch: string, seq: number): void {
    this.wantedEpoch = epoch;
    this.wantedSeq = seq;
  }

  /** Does the log have to be read again, for what came live meanwhile? */
  get wants(): boolean {
    return this.wantedSeq > 0 && !(this.wantedEpoch === this.epoch && this.wantedSeq <= this.seq);
  }

  locate(epoch: string, seq: number, ts: number): void {
    this.located = true;
    this.vanished = false;
    this.epoch = epoch;
    this.seq = seq;
    this.ts = ts;
    this.readTo = seq;
    this.doubt = false;
  }

  /** The store knows nothing of the topic any more, not even where its numbers stood: there is nothing to replay. */
  lose(): void {
    this.epoch = nowhere;
    this.sent('', 0);
  }

  sent(epoch: string, seq: number): void {
    this.sentEpoch = epoch;
    this.sentSeq = seq;
  }

  /** Resolves when it follows, or is gone. */
  settled(): Promise<void> {
    if (this.state === 'following' || this.gone) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  follow(): void {
    this.state = 'following';
    this.wantedSeq = 0;
    this.doubt = false;
    this.#release();
  }

  drop(): void {
    this.gone = true;
    this.#release();
  }

  #release(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}
