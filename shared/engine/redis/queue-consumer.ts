import { setTimeout as sleep } from 'node:timers/promises';
import { realClock } from '../../base/clock.ts';
import { fail, ok, type Result } from '../../base/errors.ts';
import { shortId } from '../../base/ids.ts';
import type { Consumer, HeldJob, Verdict } from '../engine.ts';
import type { Faults } from '../faults.ts';
import { Hands, type Hand } from '../hands.ts';
import type { QueueBell } from './queue-bell.ts';
import { checkEveryMs, type QueueJobs, type Taken, type TakenJob } from './queue-jobs.ts';
import { QueueRenewals, type Held } from './queue-renewals.ts';

/** The longest that a lost wake-up delays a job when everybody is idle. */
const pollMs = 2000;
/** Before the store is asked again for what it did not do. */
const pauseMs = 200;

export interface ConsumerParts {
  readonly jobs: QueueJobs;
  readonly bell: QueueBell;
  readonly faults: Faults;
  readonly slots: number;
  readonly work: (job: HeldJob) => Promise<Verdict>;
  /** It holds nothing and does nothing any more. */
  readonly closed: () => void;
}

/** Takes a job while a slot is free. One that ends brings the next along in the same call. */
export class QueueConsumer implements Consumer {
  readonly #parts: ConsumerParts;
  readonly #hands: Hands<Held>;
  readonly #renewals: QueueRenewals;
  readonly #id = shortId();
  readonly #over = new AbortController();
  #recovery: NodeJS.Timeout | undefined;
  #loop: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #taken = 0;
  #slotFreed: () => void = () => undefined;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
    this.#hands = new Hands(parts.slots, () => this.#slotFreed());
    this.#renewals = new QueueRenewals(this.#hands, parts.jobs);
  }

  async start(): Promise<Result<void>> {
    const first = await this.#take();
    if (!first.ok || this.#ended) {
      this.close();
      return fail('unavailable');
    }
    this.#recovery = setInterval(() => void this.#parts.jobs.recover(), checkEveryMs);
    this.#loop = this.#run(first);
    return ok(undefined);
  }

  stop(deadlineMs: number): Promise<void> {
    return (this.#stopped ??= this.#stop(deadlineMs));
  }

  /** At once, without a word to the store: what is held is lost, and comes back to somebody when its lease is over. */
  close(): void {
    this.#end();
    this.#renewals.stop();
    clearInterval(this.#recovery);
    for (const hand of this.#hands) hand.lose();
    this.#parts.closed();
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#end();
    await this.#hands.emptied(deadlineMs, realClock);
    const back = [...this.#hands].filter((hand) => !hand.lost.aborted && !hand.job.ending);
    for (const hand of this.#hands) hand.lose();
    // What was on its way to this consumer when it stopped is given back by the loop.
    await Promise.all([this.#loop, ...back.map((hand) => this.#giveBack(hand.job))]);
    this.close();
  }

  #end(): void {
    this.#over.abort();
    this.#parts.bell.stop();
    this.#slotFreed();
  }

  get #ended(): boolean {
    return this.#over.signal.aborted;
  }

  async #run(first: Result<Taken>): Promise<void> {
    for (let last = first; !this.#ended; last = await this.#take()) {
      if (!last.ok) await this.#pause(pauseMs);
      else if (!last.value.job) await this.#quiet(last.value.wakeAt);
      while (this.#hands.free <= 0 && !this.#ended) await this.#slot();
      if (this.#ended) return;
    }
  }

  async #take(): Promise<Result<Taken>> {
    const token = `${this.#id}:${++this.#taken}`;
    const askedAt = performance.now();
    this.#hands.promise();
    const taken = await this.#parts.jobs.take(token);
    this.#hands.arrived();
    if (taken.ok && taken.value.job) await this.#begin(taken.value.job, token, askedAt);
    return taken;
  }

  /** Until there may be something to take. */
  async #quiet(wakeAt = Infinity): Promise<void> {
    for (let until = Math.min(wakeAt, Date.now() + pollMs); !this.#ended;) {
      const leftMs = until - Date.now();
      if (leftMs <= 0) return;
      const rung = await this.#parts.bell.wait(leftMs);
      if (rung === undefined) return;
      if (rung === false) return this.#pause(pauseMs);
      until = Math.min(until, rung);
    }
  }

  #slot(): Promise<void> {
    return new Promise((resolve) => (this.#slotFreed = resolve));
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#over.signal }).catch(() => undefined);
  }

  async #begin(job: TakenJob, token: string, askedAt: number): Promise<void> {
    const held: Held = { ...job, token, renewedAt: askedAt, ending: false };
    if (this.#ended) await this.#giveBack(held);
    else void this.#do(this.#hands.take(job.id, job.data, held));
  }

  async #do(hand: Hand<Held>): Promise<void> {
    const { verdict, fault } = await this.#verdict(hand);
    hand.job.ending = true;
    while (!hand.lost.aborted) {
      const askedAt = performance.now();
      const next = await this.#tell(hand, verdict, fault);
      if (next.ok && next.value.job) await this.#begin(next.value.job, hand.job.token, askedAt);
      if (next.ok || next.code !== 'unavailable') break;
      await sleep(pauseMs);
    }
    this.#hands.release(hand);
  }

  async #verdict(hand: Hand<Held>): Promise<{ verdict: Verdict; fault: boolean }> {
    try {
      return { verdict: await this.#parts.work(hand), fault: false };
    } catch (error) {
      const delayMs = hand.lost.aborted ? 0 : this.#parts.faults.delayAfter(hand.job.faults + 1, error);
      return { verdict: { againInMs: delayMs }, fault: true };
    }
  }

  #tell(hand: Hand<Held>, verdict: Verdict, fault: boolean): Promise<Result<Taken>> {
    const { id, token } = hand.job;
    const takeNext = !this.#ended && !hand.parked && this.#hands.free >= 0;
    if (verdict === 'done') return this.#parts.jobs.done(id, token, takeNext);
    return this.#parts.jobs.again(id, token, verdict.againInMs, fault, takeNext);
  }

  #giveBack({ id, token }: Held): Promise<unknown> {
    return this.#parts.jobs.again(id, token, 0, false, false);
  }
}
