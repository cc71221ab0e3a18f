import { fail } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Failure, Result } from '../../base/errors.ts';
import type { Append, Records, TopicLog } from '../../engine/engine.ts';
import { persist } from './holding-retry.ts';

/** What of one run may be on its way to the store. Over it the agent is not asked for more. */
const mostWaiting = 256;
const mostWaitingBytes = 1024 * 1024;
/** Of one call. Larger ones gain nothing more and hold up the readers of the same server. */
const mostBytesPerCall = 256 * 1024;

/** A step of the run's record. `said` may go along in its commit; `carried` tells whether it did. */
export type Act<T> = (said: readonly Append[]) => Promise<Result<{ value: T; carried: boolean }>>;

/** What of an engine a run that is held needs. */
export interface Store {
  readonly log: Pick<TopicLog, 'append'>;
  readonly records: Pick<Records, 'commit'>;
}

interface Waiting {
  readonly append?: Append;
  readonly act?: { readonly begin: Act<unknown>; readonly done: (result: Result<unknown>) => void };
}

/**
 * Everything that goes from a worker into one run's log and record, in order. One call is under way at a time, and it
 * happens whole or not at all: with several, one that fails could be overtaken by the next. What is said meanwhile
 * gathers and goes with the next call, in the commit of the next step if there is one: a short run is claimed in one
 * commit, and says everything and ends in another.
 *
 * A call whose outcome is unknown is made again. Events carry a message id from the first time on, since an id that
 * came only with the second could not tell of the first; it is the log's alone and stands in no body, so clients do not
 * see it. The store remembers ids for two minutes, and a job whose worker cannot reach the store is lost long before.
 */
export class Outbox {
  readonly #engine: Store;
  readonly #home: string;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #refused: (failure: Failure) => void;
  #waiting: Waiting[] = [];
  #events = 0;
  #bytes = 0;
  #busy = false;
  #roomFor: (() => void)[] = [];

  /** `refused` is called once: the run is in other hands, and nothing of what waits will ever be kept. */
  constructor(engine: Store, home: string, clock: Clock, refused: (failure: Failure) => void) {
    this.#engine = engine;
    this.#home = home;
    this.#clock = clock;
    this.#refused = refused;
  }

  get full(): boolean {
    return this.#events >= mostWaiting || this.#bytes >= mostWaitingBytes;
  }

  /** Resolves when there is room, or when it is closed. */
  room(): Promise<void> {
    if (!this.full) return Promise.resolve();
    return new Promise((resolve) => this.#roomFor.push(resolve));
  }

  /** Never refused: whoever has much to say asks for room first. */
  say(append: Append): void {
    if (this.#closing.signal.aborted) return;
    this.#waiting.push({ append });
    this.#events += 1;
    this.#bytes += append.body.length;
    if (this.#busy) return;
    this.#busy = true;
    // What an agent yields without waiting goes out together, often with the end of the run.
    setImmediate(() => void this.#send());
  }

  act<T>(begin: Act<T>): Promise<Result<T>> {
    if (this.#closing.signal.aborted) return Promise.resolve(closed);
    return new Promise((resolve) => {
      this.#waiting.push({ act: { begin, done: resolve as (result: Result<unknown>) => void } });
      if (this.#busy) return;
      this.#busy = true;
      void this.#send();
    });
  }

  /** Silent from now on. What is under way may still arrive: the fence decides about it. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    // Without a reason an error would be made, with its stack, for nobody: 4 % of what a worker spends on a short run.
    this.#closing.abort(closed);
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#events = 0;
    this.#bytes = 0;
    for (const { act } of waiting) act?.done(closed);
    this.#wake();
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const said = this.#nextSaid();
      const act = this.#waiting[said.length]?.act;
      const sent = await persist<{ value: unknown; carried: boolean }>(this.#clock, this.#closing.signal, () =>
        act ? act.begin(said) : this.#append(said),
      ).catch((error: unknown) => fail('internal', `a bug: ${String(error)}`));
      if (this.#closing.signal.aborted) return;
      if (!sent.ok) {
        this.close();
        this.#refused(sent);
        return;
      }
      if (sent.value.carried) this.#drop(said);
      if (!act) continue;
      this.#waiting.splice(sent.value.carried ? 0 : said.length, 1);
      act.done({ ok: true, value: sent.value.value });
    }
    this.#busy = false;
  }

  #nextSaid(): Append[] {
    const said: Append[] = [];
    let bytes = 0;
    for (const { append } of this.#waiting) {
      if (!append || (said.length > 0 && bytes + append.body.length > mostBytesPerCall)) break;
      said.push(append);
      bytes += append.body.length;
    }
    return said;
  }

  /** One alone shares a call with events of other runs; only a commit keeps several together. */
  async #append(said: readonly Append[]): Promise<Result<{ value: undefined; carried: boolean }>> {
    const [first] = said;
    const appended =
      said.length === 1 && first
        ? await this.#engine.log.append(first)
        : await this.#engine.records.commit(this.#home, { append: [...said] });
    return appended.ok ? { ok: true, value: { value: undefined, carried: true } } : appended;
  }

  #drop(said: readonly Append[]): void {
    this.#waiting.splice(0, said.length);
    this.#events -= said.length;
    for (const { body } of said) this.#bytes -= body.length;
    if (!this.full) this.#wake();
  }

  #wake(): void {
    const waiting = this.#roomFor;
    this.#roomFor = [];
    for (const resolve of waiting) resolve();
  }
}

const closed: Failure = fail('conflict', 'the run is in other hands');
