import type { Clock } from '../../base/clock.ts';
import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import { Faults } from '../faults.ts';
import type { Consumer, HeldJob, NewJob, Queue, Verdict } from '../engine.ts';
import { Hands } from '../hands.ts';
import type { Hand } from '../hands.ts';
import { NextTurn } from './next-turn.ts';

interface Job {
  readonly id: string;
  readonly data: string;
  readonly priority: number;
  faults: number;
  state: 'waiting' | 'delayed' | 'running';
  cancelDelay: () => void;
}

interface MemoryConsumer {
  readonly hands: Hands<Job>;
  readonly work: (job: HeldJob) => Promise<Verdict>;
}

/** A line for each priority. Jobs are handed out in a later turn than the one that added them. */
export class MemoryQueue implements Queue {
  readonly #clock: Clock;
  readonly #faults: Faults;
  readonly #jobs = new Map<string, Job>();
  readonly #lines = Array.from({ length: 10 }, () => new Set<Job>());
  readonly #consumers = new Set<MemoryConsumer>();
  readonly #held = new Set<Hand<Job>>();
  readonly #nextTurn = new NextTurn(() => this.#handOut());
  readonly #counts = { waiting: 0, delayed: 0, running: 0 };

  constructor(name: string, clock: Clock, warn: (message: string) => void) {
    this.#clock = clock;
    this.#faults = new Faults(name, warn);
  }

  add({ id, data, priority = 0, delayMs = 0 }: NewJob): Promise<Result<{ added: boolean }>> {
    const added = !this.#jobs.has(id);
    if (added) {
      const job: Job = { id, data, priority, faults: 0, state: 'waiting', cancelDelay: () => undefined };
      this.#jobs.set(id, job);
      this.#lineUp(job, delayMs);
    }
    return Promise.resolve(ok({ added }));
  }

  remove(id: string): Promise<Result<{ removed: boolean }>> {
    const job = this.#jobs.get(id);
    if (!job || job.state === 'running') return Promise.resolve(ok({ removed: false }));
    this.#leave(job);
    this.#jobs.delete(id);
    return Promise.resolve(ok({ removed: true }));
  }

  has(ids: readonly string[]): Promise<Result<boolean[]>> {
    return Promise.resolve(ok(ids.map((id) => this.#jobs.has(id))));
  }

  counts(): Promise<Result<{ waiting: number; delayed: number; running: number }>> {
    return Promise.resolve(ok({ ...this.#counts }));
  }

  consume(options: { slots: number; work: (job: HeldJob) => Promise<Verdict> }): Promise<Result<Consumer>> {
    const hands = new Hands<Job>(options.slots, () => this.#nextTurn.ask());
    const consumer = { hands, work: options.work };
    this.#consumers.add(consumer);
    this.#nextTurn.ask();
    let stopped: Promise<void> | undefined;
    return Promise.resolve(ok({ stop: (deadlineMs) => (stopped ??= this.#dismiss(consumer, deadlineMs)) }));
  }

  stop(): void {
    this.#nextTurn.cancel();
    this.#consumers.clear();
    for (const job of this.#jobs.values()) job.cancelDelay();
    for (const hand of this.#held) hand.lose();
    this.#held.clear();
  }

  async #dismiss(consumer: MemoryConsumer, deadlineMs: number): Promise<void> {
    this.#consumers.delete(consumer);
    await consumer.hands.emptied(deadlineMs, this.#clock);
    for (const hand of consumer.hands) this.#handBack(hand);
  }

  #handBack(hand: Hand<Job>): void {
    if (hand.lost.aborted) return;
    hand.lose();
    this.#held.delete(hand);
    this.#comesBack(hand.job, 0);
  }

  #handOut(): void {
    for (const line of this.#lines.toReversed()) {
      for (const job of line) {
        const consumer = this.#whoIsFree();
        if (!consumer) return;
        this.#leave(job);
        this.#enter(job, 'running');
        const hand = consumer.hands.take(job.id, job.data, job);
        this.#held.add(hand);
        void this.#work(consumer, hand);
      }
    }
  }

  /** They take turns. */
  #whoIsFree(): MemoryConsumer | undefined {
    for (const consumer of this.#consumers) {
      if (consumer.hands.free <= 0) continue;
      this.#consumers.delete(consumer);
      this.#consumers.add(consumer);
      return consumer;
    }
    return undefined;
  }

  async #work(consumer: MemoryConsumer, hand: Hand<Job>): Promise<void> {
    const { job } = hand;
    let verdict: Verdict;
    try {
      verdict = await consumer.work(hand);
    } catch (error) {
      verdict = { againInMs: hand.lost.aborted ? 0 : this.#faults.delayAfter(++job.faults, error) };
    }
    // Before the slot is free, so that whoever waits for the consumer's end finds the job where it belongs.
    if (this.#held.delete(hand)) {
      if (verdict === 'done') {
        this.#leave(job);
        this.#jobs.delete(job.id);
      } else this.#comesBack(job, verdict.againInMs);
    }
    consumer.hands.release(hand);
  }

  #comesBack(job: Job, delayMs: number): void {
    this.#leave(job);
    this.#lineUp(job, delayMs);
  }

  #lineUp(job: Job, delayMs: number): void {
    if (delayMs > 0) {
      this.#enter(job, 'delayed');
      job.cancelDelay = this.#clock.later(delayMs, () => this.#comesBack(job, 0));
      return;
    }
    this.#enter(job, 'waiting');
    this.#lines[job.priority]?.add(job);
    this.#nextTurn.ask();
  }

  #enter(job: Job, state: Job['state']): void {
    job.state = state;
    this.#counts[state]++;
  }

  #leave(job: Job): void {
    this.#counts[job.state]--;
    if (job.state === 'delayed') job.cancelDelay();
    if (job.state === 'waiting') this.#lines[job.priority]?.delete(job);
  }
}
