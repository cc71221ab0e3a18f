import { must } from '../../base/assert.ts';
import { fail, ok, type Result } from '../../base/errors.ts';
import type { Append, Appended } from '../engine.ts';
import { AppendCall, appendHeader, type AppendSettings, type WaitingAppend } from './append-call.ts';
import { callOf, type CommitCall } from './commit-call.ts';
import type { Keys } from './keys.ts';
import type { LiveFeed } from './live-feed.ts';
import type { TopicStates } from './topic-states.ts';

/** Sends a script's arguments (number of keys, keys, ARGV) and gives back its answer. */
export type SendCall = (args: string[]) => Promise<Result<string>>;

export interface SendCalls {
  readonly append: SendCall;
  readonly commit: SendCall;
}

/** Who takes appends and commits, and keeps them in order. */
export interface Appender {
  append(event: Append): Promise<Result<Appended>>;
  /**
   * Goes behind what was appended before to this partition and ahead of what is appended later: a commit and the
   * appends around it are numbered in the order in which they were made. Gives back its line of the answer.
   */
  commit(partition: number, commit: CommitCall): Promise<Result<string>>;
  start(): void;
  stop(): void;
}

/** What waits in all batchers of an engine together, for the bound. */
export interface Waitlist {
  events: number;
  bytes: number;
}

interface Waiting extends WaitingAppend {
  readonly tick: number;
}

interface WaitingCommit {
  readonly event: undefined;
  readonly commit: CommitCall;
  readonly resolve: (result: Result<string>) => void;
  readonly tick: number;
}

/** Larger calls gain nothing more and hold up the readers of the same server. */
const maxEvents = 256;
const maxBytes = 256 * 1024;
/** Of one call; each is worth several events. */
const maxCommits = 32;
/** With two under way Redis works on one while the other travels; with more, calls would be smaller and cost more. */
const usualCalls = 2;
/** What may wait. Beyond it an append is refused as `busy`. */
const maxWaiting = 100_000;
const maxWaitingBytes = 64 * 1024 * 1024;
/** An append that could not be sent within two ticks, at most 1.5 s, is given up. */
const tickMs = 500;
const maxTicks = 2;

/**
 * Gathers what is appended and sends it in few, large calls. An idle engine sends at the end of the turn of the loop;
 * a busy one sends when a call comes back, so that batches grow with the load by themselves. A commit waits for no call
 * to come back, since there are fewer of them, and somebody waits for each; but one behind an append that waits keeps
 * its place.
 */
export class AppendBatcher implements Appender {
  readonly #keys: Keys;
  readonly #states: TopicStates;
  readonly #feed: LiveFeed;
  readonly #settings: AppendSettings;
  readonly #send: SendCalls;
  readonly #waitlist: Waitlist;
  readonly #alone: boolean;
  readonly #maxCalls: number;
  readonly #flush = (): void => this.#flushNow();
  #waiting: (Waiting | WaitingCommit)[] = [];
  #head = 0;
  #calls = 0;
  #scheduled = false;
  #tick = 0;
  #ticker: NodeJS.Timeout | undefined;

  /**
   * `alone`: one call at a time, commits included. A node of a cluster may send one call on and take the next one, so
   * two that are under way could change places.
   */
  constructor(
    keys: Keys,
    states: TopicStates,
    feed: LiveFeed,
    settings: AppendSettings,
    send: SendCalls,
    waitlist: Waitlist = { events: 0, bytes: 0 },
    alone = false,
  ) {
    this.#keys = keys;
    this.#states = states;
    this.#feed = feed;
    this.#settings = settings;
    this.#send = send;
    this.#waitlist = waitlist;
    this.#alone = alone;
    this.#maxCalls = alone ? 1 : usualCalls;
  }

  append(event: Append): Promise<Result<Appended>> {
    if (this.#isFull()) return Promise.resolve(fail('busy'));
    this.#waitlist.events++;
    this.#waitlist.bytes += event.body.length;
    if (!this.#scheduled && this.#calls < this.#maxCalls) {
      this.#scheduled = true;
      setImmediate(this.#flush);
    }
    return new Promise((resolve) => {
      this.#waiting.push({ event, state: this.#states.of(event.topic), resolve, tick: this.#tick });
    });
  }

  commit(_partition: number, commit: CommitCall): Promise<Result<string>> {
    if (this.#isFull()) return Promise.resolve(fail('busy'));
    this.#waitlist.events++;
    this.#waitlist.bytes += commit.bytes;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#flush);
    }
    return new Promise((resolve) => {
      this.#waiting.push({ event: undefined, commit, resolve, tick: this.#tick });
    });
  }

  start(): void {
    this.#ticker = setInterval(() => this.#giveUpOld(), tickMs);
    this.#ticker.unref();
  }

  stop(): void {
    clearInterval(this.#ticker);
    this.#giveUp(this.#waiting.length);
  }

  #flushNow(): void {
    this.#scheduled = false;
    for (let next = this.#waiting[this.#head]; next; next = this.#waiting[this.#head]) {
      if (this.#calls >= this.#maxCalls && (this.#alone || next.event !== undefined)) return;
      void (next.event === undefined ? this.#sendCommits(this.#takeCommits()) : this.#sendAppends(this.#takeAppends()));
    }
  }

  #isFull(): boolean {
    return this.#waitlist.events >= maxWaiting || this.#waitlist.bytes >= maxWaitingBytes;
  }

  async #sendAppends(items: Waiting[]): Promise<void> {
    const call = new AppendCall(this.#keys, items);
    const keys: string[] = [''];
    const args = appendHeader(this.#settings);
    call.encode(keys, args);
    keys[0] = String(keys.length - 1);
    this.#calls++;
    const serial = this.#feed.sent(call.topics);
    const answer = await this.#send.append(keys.concat(args));
    this.#calls--;
    if (answer.ok) call.settle(answer.value, this.#states);
    else call.fail(answer);
    this.#feed.answered(serial, call.topics);
    this.#flushNow();
  }

  /** Those of a turn go together: a call for each costs more than what it does, here and in Redis. */
  async #sendCommits(items: WaitingCommit[]): Promise<void> {
    const topics = items.flatMap(({ commit }) => commit.topics);
    if (this.#alone) this.#calls++;
    const serial = this.#feed.sent(topics);
    const answer = await this.#send.commit(
      callOf(
        this.#settings,
        items.map(({ commit }) => commit),
      ),
    );
    if (this.#alone) this.#calls--;
    const lines = answer.ok ? answer.value.split('\n') : [];
    items.forEach(({ resolve }, i) => resolve(answer.ok ? ok(must(lines[i])) : answer));
    this.#feed.answered(serial, topics);
    if (this.#alone) this.#flushNow();
  }

  #takeAppends(): Waiting[] {
    const taken: Waiting[] = [];
    let bytes = 0;
    while (taken.length < maxEvents && bytes < maxBytes) {
      const next = this.#waiting[this.#head];
      if (next?.event === undefined) break;
      bytes += next.event.body.length;
      taken.push(next);
      this.#head++;
    }
    this.#left(taken.length, bytes);
    return taken;
  }

  #takeCommits(): WaitingCommit[] {
    const taken: WaitingCommit[] = [];
    let bytes = 0;
    while (taken.length < maxCommits && bytes < maxBytes) {
      const next = this.#waiting[this.#head];
      if (!next || next.event !== undefined) break;
      bytes += next.commit.bytes;
      taken.push(next);
      this.#head++;
    }
    this.#left(taken.length, bytes);
    return taken;
  }

  #left(items: number, bytes: number): void {
    this.#waitlist.events -= items;
    this.#waitlist.bytes -= bytes;
    this.#compact();
  }

  /** Shifting the array at every call would move a long queue over and over. */
  #compact(): void {
    if (this.#head === this.#waiting.length) this.#waiting = [];
    else if (this.#head > 4096) this.#waiting = this.#waiting.slice(this.#head);
    else return;
    this.#head = 0;
  }

  #giveUpOld(): void {
    this.#tick++;
    let end = this.#head;
    while (end < this.#waiting.length && this.#tick - (this.#waiting[end]?.tick ?? 0) > maxTicks) end++;
    this.#giveUp(end);
  }

  #giveUp(end: number): void {
    const items = this.#waiting.slice(this.#head, end);
    this.#head = Math.max(this.#head, end);
    this.#left(
      items.length,
      items.reduce((bytes, item) => bytes + (item.event ? item.event.body.length : item.commit.bytes), 0),
    );
    for (const { resolve } of items) resolve(fail('unavailable'));
  }
}
