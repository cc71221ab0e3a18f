import { fail, type Result } from '../../base/errors.ts';
import type { Append, Appended } from '../engine.ts';
import { AppendCall, appendHeader, type AppendSettings, type WaitingAppend } from './append-call.ts';
import type { Keys } from './keys.ts';
import type { LiveFeed } from './live-feed.ts';
import type { TopicStates } from './topic-states.ts';

/** Sends a script's arguments (number of keys, keys, ARGV) and gives back its answer. */
export type SendAppend = (args: string[]) => Promise<Result<string>>;

/** Who takes appends, and keeps commits in their place among them. */
export interface Appender {
  append(event: Append): Promise<Result<Appended>>;
  /**
   * Sends behind what was appended before to this partition and ahead of what is appended later: a commit and the
   * appends around it are numbered in the order in which they were made.
   */
  inTurn(partition: number, send: () => Promise<Result<string>>): Promise<Result<string>>;
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

/** A call of somebody else's that must keep its place among the appends. */
interface Turn {
  readonly event: undefined;
  readonly send: () => void;
  readonly resolve: (result: Result<never>) => void;
  readonly tick: number;
}

/** Larger calls gain nothing more and hold up the readers of the same server. */
const maxEvents = 256;
const maxBytes = 256 * 1024;
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
 * a busy one sends when a call comes back, so that batches grow with the load by themselves.
 */
export class AppendBatcher implements Appender {
  readonly #keys: Keys;
  readonly #states: TopicStates;
  readonly #feed: LiveFeed;
  readonly #settings: AppendSettings;
  readonly #send: SendAppend;
  readonly #waitlist: Waitlist;
  readonly #alone: boolean;
  readonly #maxCalls: number;
  readonly #flush = (): void => this.#flushNow();
  #waiting: (Waiting | Turn)[] = [];
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
    send: SendAppend,
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

  inTurn(_partition: number, send: () => Promise<Result<string>>): Promise<Result<string>> {
    const call = this.#alone ? () => this.#callAlone(send) : send;
    if (this.#head === this.#waiting.length && !(this.#alone && this.#calls > 0)) return call();
    if (this.#isFull()) return Promise.resolve(fail('busy'));
    this.#waitlist.events++;
    return new Promise((resolve) => {
      this.#waiting.push({ event: undefined, send: () => resolve(call()), resolve, tick: this.#tick });
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
      if (next.event !== undefined) {
        void this.#sendCall(this.#take());
      } else {
        this.#head++;
        this.#waitlist.events--;
        this.#compact();
        next.send();
      }
    }
  }

  #isFull(): boolean {
    return this.#waitlist.events >= maxWaiting || this.#waitlist.bytes >= maxWaitingBytes;
  }

  async #callAlone(send: () => Promise<Result<string>>): Promise<Result<string>> {
    this.#calls++;
    const answer = await send();
    this.#calls--;
    this.#flushNow();
    return answer;
  }

  async #sendCall(items: Waiting[]): Promise<void> {
    const call = new AppendCall(this.#keys, items);
    const keys: string[] = [''];
    const args = appendHeader(this.#settings);
    call.encode(keys, args);
    keys[0] = String(keys.length - 1);
    this.#calls++;
    const serial = this.#feed.sent(call.topics);
    const answer = await this.#send(keys.concat(args));
    this.#calls--;
    if (answer.ok) call.settle(answer.value, this.#states);
    else call.fail(answer);
    this.#feed.answered(serial, call.topics);
    this.#flushNow();
  }

  #take(): Waiting[] {
    const taken: Waiting[] = [];
    let bytes = 0;
    while (taken.length < maxEvents && bytes < maxBytes) {
      const next = this.#waiting[this.#head];
      if (next?.event === undefined) break;
      bytes += next.event.body.length;
      taken.push(next);
      this.#head++;
    }
    this.#waitlist.events -= taken.length;
    this.#waitlist.bytes -= bytes;
    this.#compact();
    return taken;
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
    for (; this.#head < end; this.#head++) {
      const item = this.#waiting[this.#head];
      this.#waitlist.events--;
      this.#waitlist.bytes -= item?.event?.body.length ?? 0;
      item?.resolve(fail('unavailable'));
    }
    this.#compact();
  }
}
