import type { Hand, Hands } from '../hands.ts';
import { leaseMs, type QueueJobs, type TakenJob } from './queue-jobs.ts';

const everyMs = 500;
/** Three tries fit into a lease. */
const renewAfterMs = 1500;

/** A job as its consumer holds it. */
export interface Held extends TakenJob {
  readonly token: string;
  /** By our own clock, counted from before the store was asked: the lease ends there a little later. */
  renewedAt: number;
  /** The work is over, and the store is being told. */
  ending: boolean;
}

/**
 * Keeps what a consumer holds. It is the consumer's own clock that says when a lease is over: a process that was frozen,
 * or cannot reach the store, would ask in vain.
 */
export class QueueRenewals {
  readonly #hands: Hands<Held>;
  readonly #jobs: QueueJobs;
  readonly #timer: NodeJS.Timeout;
  #asking = false;

  constructor(hands: Hands<Held>, jobs: QueueJobs) {
    this.#hands = hands;
    this.#jobs = jobs;
    this.#timer = setInterval(() => void this.#look(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const now = performance.now();
    const due: Hand<Held>[] = [];
    for (const hand of this.#hands) {
      if (hand.lost.aborted) continue;
      if (now - hand.job.renewedAt >= leaseMs) hand.lose();
      else if (now - hand.job.renewedAt >= renewAfterMs) due.push(hand);
    }
    if (due.length === 0 || this.#asking) return;
    this.#asking = true;
    const answer = await this.#jobs.renew(due.map(({ job }) => job));
    this.#asking = false;
    if (!answer.ok) return;
    for (const hand of due) {
      if (!answer.value.has(hand.id)) hand.job.renewedAt = now;
      // One that was ended meanwhile is not there any more, as it should be.
      else if (!hand.job.ending) hand.lose();
    }
  }
}
