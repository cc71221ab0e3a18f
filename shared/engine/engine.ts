import type { Result } from '../base/errors.ts';

/**
 * What the broker asks of a store. Everything else (the hub, sessions, runs, presence) is written once on
 * top of these few primitives. Two engines keep them, and one suite (test/contracts) holds both to the words below.
 *
 * Every call returns a Result and never throws for a store that is away: that is `unavailable`, within 5 s,
 * and for a change it means "outcome unknown". Strings may hold anything; names of topics are checked before.
 *
 * Home. What must change together shares a home: a topic by its name, but `run.<id>…`, `session.<id>…` and
 * `swarm.<id>…` by their first two segments, and `task.<id>.…` with `run.<id>` (see `homeOf` in shared/topics). An engine
 * maps a home to a partition.
 */
export interface Engine {
  readonly log: TopicLog;
  readonly records: Records;
  readonly leases: Leases;
  readonly signals: Signals;
  readonly counters: Counters;
  /** The queue of this name; the same one for every process of the cluster. */
  queue(name: string): Queue;

  /** Resolves when the store was reached once. Throws when that fails: the process cannot serve. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Can requests be expected to succeed now? Known without asking the store. */
  ready(): boolean;
  /** How often the store could be reached and took no change, since it is full, say. Such a call is `unavailable`, too. */
  refused(): number;
}

// --- the topic log ---------------------------------------------------------------------------------------------

export interface Append {
  topic: string;
  /** JSON text of an object that holds `data` and, where there is one, `messageId`. Kept and handed on as it is; no newline in it. */
  body: string;
  /** Makes the append happen once: a second one with the same id within at least 120 s changes nothing and gives back the first one's position. */
  messageId?: string;
  /** Handed to those who watch now, kept nowhere, numbered 0, not deduplicated. */
  ephemeral?: boolean;
  /** How many events of this topic to keep; the engine's default otherwise. */
  keep?: number;
  /** Refused with `conflict` when the topic has seen a higher fence. */
  fence?: number;
  /** The last event of this topic: whatever is appended after it is refused with `conflict`. */
  seal?: boolean;
  /** While it is the topic's last event, age does not take it: it is kept, and `active` names it, as long as the numbering. */
  retain?: boolean;
}

export interface Appended {
  seq: number;
  epoch: string;
  ts: number;
  duplicate: boolean;
}

export interface LogEvent {
  topic: string;
  seq: number;
  epoch: string;
  ts: number;
  body: string;
}

/** Events of one topic that were appended together: numbered `seq`, `seq`+1 … in one epoch, at one time. */
export interface LiveBatch {
  topic: string;
  /** '' for ephemeral events. */
  epoch: string;
  /** 0 for ephemeral events, which are never in one batch with kept ones. */
  seq: number;
  ts: number;
  /** The time of the topic's event before these; 0 when there was none. Tells a first-time reader whether it missed something. */
  previousTs: number;
  bodies: string[];
}

/** `epoch` is '' and the numbers are 0 (`first` 1) for a topic that was never used. */
export interface TopicHead {
  topic: string;
  epoch: string;
  /** The last number given out. */
  seq: number;
  /** The time of that event. */
  ts: number;
  /** The lowest seq still kept; `seq + 1` when nothing is. */
  first: number;
  /** Only where a time was asked about: the lowest seq of a kept event at or after that time, minus one. */
  before: number;
}

export interface LogListener {
  /** What one read of the store brought, in order. Called in a later turn than the one that resolved the append. */
  live(batches: LiveBatch[]): void;
  /** Live events may have been lost just now (a connection fell, a subscription moved): trust nothing, re-read. */
  disturbed(): void;
}

/**
 * Order. Each kept event of a topic gets the next number of the topic, for the whole cluster, without holes. Appends
 * made through one engine without waiting are numbered in the order in which they were made (per topic).
 * `ts` is the store's clock and never falls within a topic.
 *
 * Epoch. Names the numbering. It changes only when the numbering was lost or rewound; kept events that survive
 * belong to the new epoch with the numbers they had, and the numbering goes on from the head that is there.
 *
 * Live delivery is a wake-up, the log is the truth: a watched topic's batches come in order and at most once, as soon
 * as possible; some may never come. Whoever needs them all compares numbers and reads. An append's promise is
 * resolved a turn before its own event is handed to the listener of the same engine.
 */
export interface TopicLog {
  append(event: Append): Promise<Result<Appended>>;

  /** In the order of the question, with the store's time of the answer. */
  heads(asks: readonly { topic: string; since?: number }[]): Promise<Result<{ time: number; heads: TopicHead[] }>>;

  /**
   * Kept events with `after` < seq, lowest first, at most `limit` (1–1000). With `reverse`: highest first, and `after`
   * (where given) is where to go down from. Nothing is created by reading.
   */
  read(
    topic: string,
    range: { after?: number; limit: number; reverse?: boolean },
  ): Promise<Result<{ head: TopicHead; events: LogEvent[] }>>;

  /** Topics with a kept event at or after `since` by the store's clock (0: all). May name a few more; never one too few. */
  active(since: number): Promise<Result<string[]>>;

  /** Starts a new epoch if the topic is still in the one named: for a reader that saw numbers which are gone. */
  renumber(topic: string, epoch: string): Promise<Result<void>>;

  /** Once resolved, appends made from then on reach the listener. A failure is retried inside and ends in `disturbed`. */
  watch(topics: readonly string[]): Promise<Result<void>>;
  unwatch(topics: readonly string[]): void;
  /** All topics of the cluster, for those who match patterns. Watching single topics goes on to work beside it. */
  watchAll(on: boolean): Promise<Result<void>>;

  /** The one listener of this engine; set before `start`. */
  listen(listener: LogListener): void;
}

// --- records and the atomic commit ----------------------------------------------------------------------------

export interface Stored {
  value: string;
  /** 1 for the first write, then one more each time. */
  rev: number;
}

/**
 * All of it happens or nothing does. `expect`: the record stands at this rev (0: it does not exist), else `conflict`.
 * Appends follow the rules of the log (fence, seal, messageId) and must be of this home.
 */
export interface Change {
  expect?: { key: string; rev: number }[];
  put?: { key: string; value: string; ttlMs?: number }[];
  del?: string[];
  /** Ordered lists of keys, lowest score first, ties by key. `score: null` takes the key out. */
  rank?: { list: string; key: string; score: number | null }[];
  /** A list goes as a whole when the longest of the times that it was given is over; until it is given one, it stays. */
  keepLists?: { list: string; ttlMs: number }[];
  append?: Append[];
}

export interface Records {
  /** In the order of the question; `undefined` where there is none. Read at one moment. */
  read(home: string, keys: readonly string[]): Promise<Result<(Stored | undefined)[]>>;
  /** A page of an ordered list. `cursor` comes from the page before; absent in the answer at the end. */
  page(
    home: string,
    list: string,
    range: { cursor?: string; limit: number; reverse?: boolean },
  ): Promise<Result<{ keys: string[]; cursor?: string }>>;
  commit(home: string, change: Change): Promise<Result<{ appended: Appended[] }>>;
}

// --- leases, signals, counters --------------------------------------------------------------------------------

export interface LeaseHolder {
  member: string;
  value: string;
  /** When this member was first held without a break. */
  since: number;
}

export interface Reaped extends LeaseHolder {
  /** How long ago somebody was given it first; 0 where that is now. */
  givenMs: number;
}

/** Membership that ends by itself: who does not say again in time that it is there, is gone. */
export interface Leases {
  /** Takes or renews; the answer names those that were not held before. */
  hold(
    group: string,
    members: readonly { member: string; value: string }[],
    ttlMs: number,
  ): Promise<Result<{ joined: string[] }>>;
  /** The answer names those that were held. */
  drop(group: string, members: readonly string[]): Promise<Result<{ left: string[] }>>;
  /** Only those whose lease runs now. */
  list(group: string): Promise<Result<LeaseHolder[]>>;
  /**
   * Gives out those whose lease ran out, and who are to be taken out by `forget` when it is done what is to be done then.
   * Each goes to one caller; after 5 s, since that one may have died, to everybody who asks. `rest`: there are others, in
   * somebody's hands or too many for one answer.
   */
  reap(group: string): Promise<Result<{ gone: Reaped[]; rest: boolean }>>;
  /**
   * Takes out those that still stand at this value, whether or not their lease runs. With `ended`, only those whose lease
   * does not: for members whose value is the same when they come back.
   */
  forget(group: string, holders: readonly { member: string; value: string }[], only?: 'ended'): Promise<Result<void>>;
}

/** Fire and forget between processes: at most once, in order from one sender, lost on those that are away. */
export interface Signals {
  send(name: string, payload: string): void;
  /** Resolves when signals sent from now on arrive; gives back the way to stop. */
  on(name: string, handler: (payload: string) => void): Promise<Result<() => void>>;
}

export interface Counters {
  /** The value after adding. A counter that nobody has touched for `ttlMs` starts again at 0. */
  add(name: string, by: number, ttlMs: number): Promise<Result<number>>;
}

// --- the queue ------------------------------------------------------------------------------------------------

export interface NewJob {
  /** Names the job in its queue. While one of this name waits or is worked on, a second one is not added. */
  id: string;
  data: string;
  /** 0 to 9, 9 first; 0 where it is left out. Among equals, first come, first served. */
  priority?: number;
  /** Not before this time has passed. */
  delayMs?: number;
}

/** A job in the hands of a consumer. */
export interface HeldJob {
  readonly id: string;
  readonly data: string;
  /**
   * Aborted when the job is not this consumer's any more: its lease ran out unrenewed, or it was handed back when the
   * consumer stopped. Somebody else works on it now or soon, so whatever is still done here must be guarded by a fence.
   */
  readonly lost: AbortSignal;
  /**
   * For a job that waits for something: it stays in these hands and goes on being renewed, but takes no slot until the
   * function that is given back is called. Unparked while every slot is taken, it works beside them. Of one consumer's
   * jobs 10,000 are parked at most; one more keeps its slot.
   */
  park(): () => void;
}

/** What becomes of a job: it is done and gone, or it waits again and comes back after so long, to whichever consumer. */
export type Verdict = 'done' | { againInMs: number };

export interface Consumer {
  /**
   * Takes no more jobs, and resolves when those in hand have ended; what has not after `deadlineMs` is handed back:
   * `lost` is aborted, and the next consumer gets the job at once.
   */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Work for whoever is free. A job is given to one consumer at a time and at least once: it is gone when a consumer says
 * `done`, and only then. One whose consumer dies comes back within 10 s, as often as that happens. A `work` that throws
 * counts as a passing fault of ours, and the job comes back by itself: after 100 ms at first, twice as long each time
 * that the same job does it, at most 10 s.
 *
 * Order. By priority, then as added; what comes back takes its place as if it were new, but what a dead consumer held
 * goes before everything else. With several slots or consumers, work begins in this order, and ends in any. Delays are
 * counted by the clocks of the processes: those of a cluster should agree.
 *
 * Limits. A queue has no bound of its own: whoever adds must have one (runs: the quota of an identity, the line of a
 * session). A job's data is kept in the store until it is done.
 */
export interface Queue {
  /** `added: false`: one of this name is there already. */
  add(job: NewJob): Promise<Result<{ added: boolean }>>;
  /** Takes out a job that waits. `removed: false`: there is none, or it is being worked on. */
  remove(id: string): Promise<Result<{ removed: boolean }>>;
  /** Which of these are there, waiting or worked on; in the order of the question. */
  has(ids: readonly string[]): Promise<Result<boolean[]>>;
  /** `waiting` counts those that could begin now, `delayed` those whose time has not come. */
  counts(): Promise<Result<{ waiting: number; delayed: number; running: number }>>;
  /** Resolves when the consumer takes jobs. At most `slots` are worked on at once, parked ones apart. */
  consume(options: { slots: number; work: (job: HeldJob) => Promise<Verdict> }): Promise<Result<Consumer>>;
}
