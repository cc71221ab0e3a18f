import type { Clock } from '../base/clock.ts';
import type { Positions } from './positions.ts';
import type { Registry } from './registry.ts';

const settleMs = 30_000;
/** Up to here positions cost less than asking for the time would. */
const fewTopics = 256;
const mostTopics = 100_000;

/**
 * Keeps the way back of patterns short. A pattern's time says: unseen is what came from then on. It may move up to the
 * time of an answer only when all that came before that answer has arrived, which nothing on the wire tells. So with
 * many topics the patterns are asked for again now and then: an answer proves that the connection and the store behind
 * it live, and when between two answers, half a minute apart, nothing came that was older than the first, the first
 * one's time holds. Then topics that have been silent since before it need no position any more.
 */
export class Settling {
  readonly #clock: Clock;
  readonly #registry: Registry;
  readonly #positions: Positions;
  readonly #askAgain: (patterns: string[]) => void;
  #candidate = 0;
  #clean = false;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, registry: Registry, positions: Positions, askAgain: (patterns: string[]) => void) {
    this.#clock = clock;
    this.#registry = registry;
    this.#positions = positions;
    this.#askAgain = askAgain;
  }

  /** Patterns were subscribed to, or asked for again, and the answer carried this time. */
  answered(time: number): void {
    this.#candidate = time;
    this.#clean = true;
    this.#cancel?.();
    this.#cancel = this.#clock.later(settleMs, () => this.#due());
  }

  /** The answer to `askAgain`; without a time it was a refusal. */
  confirmed(time: number | undefined): void {
    if (time !== undefined && this.#clean && this.#allActive()) this.#settle(this.#candidate);
    this.answered(time ?? this.#candidate);
  }

  /** An event came. */
  observe(ts: number): void {
    if (ts < this.#candidate) this.#clean = false;
  }

  /** A topic more. Over the limit those that have been silent for longest are given up, and their patterns say so at the next reconnect. */
  grown(): void {
    if (this.#positions.size <= mostTopics) return;
    const byAge = [...this.#positions.all()].sort(([, a], [, b]) => a.ts - b.ts).slice(0, mostTopics / 10);
    for (const [topic, { ts }] of byAge) {
      if (this.#registry.get(topic)) continue;
      for (const entry of this.#registry.patternsOf(topic)) {
        entry.time = Math.max(entry.time, ts + 1);
        entry.forgot = true;
      }
      this.#positions.forget(topic);
    }
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#clean = false;
  }

  #due(): void {
    this.#cancel = undefined;
    if (!this.#registry.hasPatterns) return;
    const patterns = [...this.#registry.all()].filter((entry) => entry.pattern && entry.active);
    if (this.#positions.size > fewTopics && patterns.length > 0) this.#askAgain(patterns.map((entry) => entry.name));
    else this.#cancel = this.#clock.later(settleMs, () => this.#due());
  }

  #allActive(): boolean {
    for (const entry of this.#registry.all()) if (entry.pattern && !entry.active) return false;
    return true;
  }

  #settle(time: number): void {
    let oldest = time;
    for (const entry of this.#registry.all()) {
      if (!entry.pattern) continue;
      entry.time = Math.max(entry.time, time);
      oldest = Math.min(oldest, entry.time);
    }
    for (const [topic, seen] of this.#positions.all()) {
      if (seen.ts < oldest && !this.#registry.get(topic)) this.#positions.forget(topic);
    }
  }
}
