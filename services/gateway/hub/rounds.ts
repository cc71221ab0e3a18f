import type { Clock } from '../../../shared/base/clock.ts';
import type { TopicLog } from '../../../shared/engine/engine.ts';
import type { Tails } from './tails.ts';

const roundMs = 1000;
const retryMs = 200;
/** Heads looked at per round: with the round a second, a lost last message of up to 1,000 topics is found within 2 s. */
const perRound = 512;
/** A topic that only patterns want and that was quiet for so long is no longer followed. */
const idleMs = 600_000;
/** How far back each round looks for topics that patterns want and that it knows nothing of. */
const missMs = 2000;
/** How far back a loss may reach that is noticed only now: a dead connection is noticed within a few seconds. */
const noticeMs = 10_000;

export interface RoundsPorts {
  log: TopicLog;
  clock: Clock;
  tails: Tails;
  /** Subscribed to by name here. */
  exact(topic: string): boolean;
  hasPatterns(): boolean;
  wanted(topic: string): boolean;
  /** Once a round, whatever the store does. */
  nudge(): void;
}

/**
 * Finds what was lost without anybody noticing: a bounded number of heads a second in turn, and everything after a
 * disturbance. Also lets go of topics that only patterns wanted and that fell silent.
 */
export class Rounds {
  readonly #ports: RoundsPorts;
  #cancel: () => void = () => {};
  #queue: string[] = [];
  #checking = false;
  #recovering = false;
  #again = false;
  #stopped = false;
  /** The store's clock as it was last heard. */
  storeTime = 0;
  /** Patterns are owed nothing from before this: the topics let go had their last event by then. */
  forgottenUpTo = 0;

  constructor(ports: RoundsPorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#cancel = this.#ports.clock.later(roundMs, () => {
      this.start();
      this.#ports.nudge();
      if (!this.#checking && !this.#recovering) void this.#round();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** Live events may have been lost: sees to it that every topic that is wanted here is read again. */
  async recover(): Promise<void> {
    this.#ports.tails.distrust();
    this.#again = true;
    if (this.#recovering) return;
    this.#recovering = true;
    while (this.#again && !this.#stopped) {
      this.#again = false;
      const topics = [...this.#ports.tails.all()].map((tail) => tail.topic);
      const seen = (await this.#ports.tails.check(topics)) && (await this.#discover(noticeMs));
      if (seen) continue;
      this.#again = true;
      await new Promise<void>((resolve) => this.#ports.clock.later(retryMs, resolve));
    }
    this.#recovering = false;
  }

  /** Topics that patterns want and whose first event for this node was lost. */
  async #discover(reach: number): Promise<boolean> {
    if (!this.#ports.hasPatterns()) return true;
    const active = await this.#ports.log.active(Math.max(0, this.storeTime - reach));
    if (!active.ok) return false;
    for (const topic of active.value) if (this.#ports.wanted(topic)) this.#ports.tails.discover(topic);
    return true;
  }

  async #round(): Promise<void> {
    this.#checking = true;
    if (this.#queue.length === 0) this.#queue = this.#letGo();
    await this.#ports.tails.check(this.#queue.splice(-perRound), true);
    await this.#discover(missMs);
    const now = await this.#ports.log.heads([]);
    if (now.ok) this.storeTime = now.value.time;
    this.#checking = false;
  }

  #letGo(): string[] {
    const kept: string[] = [];
    const idleSince = this.storeTime - idleMs;
    for (const { topic, state, ts } of this.#ports.tails.all()) {
      const idle = state === 'following' && ts > 0 && ts < idleSince && !this.#ports.exact(topic);
      if (idle) {
        this.forgottenUpTo = Math.max(this.forgottenUpTo, ts);
        this.#ports.tails.forget(topic);
      } else {
        kept.push(topic);
      }
    }
    return kept;
  }
}
