import { realClock } from '../../base/clock.ts';
import type { Clock } from '../../base/clock.ts';
import type { Engine, Queue } from '../engine.ts';
import { MemoryCounters } from './counters.ts';
import { MemoryLeases } from './leases.ts';
import { MemoryLog } from './log.ts';
import { MemoryQueue } from './queue.ts';
import { MemoryRecords } from './records.ts';
import { MemorySignals } from './signals.ts';
import { storeTime } from './store-time.ts';

const sweepEveryMs = 5_000;
/** When one sweep was not enough: soon, but with room for live traffic in between. */
const sweepOnMs = 20;

export interface MemoryEngineOptions {
  historySize: number;
  historyTtlMs: number;
  metaTtlMs: number;
  clock?: Clock;
  onWarning?: (message: string) => void;
}

/** The store of a broker that runs in one process: nothing outlives it, and nobody else sees it. */
export function createMemoryEngine(options: MemoryEngineOptions): Engine {
  const { clock = realClock, onWarning = () => undefined, ...retention } = options;
  return new MemoryEngine(retention, clock, onWarning);
}

class MemoryEngine implements Engine {
  readonly log: MemoryLog;
  readonly records: MemoryRecords;
  readonly leases: MemoryLeases;
  readonly signals = new MemorySignals();
  readonly counters: MemoryCounters;
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #warn: (message: string) => void;
  readonly #queues = new Map<string, MemoryQueue>();
  #cancelSweep: (() => void) | undefined;

  constructor(
    retention: Omit<MemoryEngineOptions, 'clock' | 'onWarning'>,
    clock: Clock,
    warn: (message: string) => void,
  ) {
    this.#clock = clock;
    this.#warn = warn;
    this.#now = storeTime(clock);
    this.log = new MemoryLog(retention, this.#now);
    this.records = new MemoryRecords(this.log, this.#now);
    this.leases = new MemoryLeases(retention.metaTtlMs, this.#now);
    this.counters = new MemoryCounters(this.#now);
  }

  queue(name: string): Queue {
    let queue = this.#queues.get(name);
    if (!queue) this.#queues.set(name, (queue = new MemoryQueue(name, this.#clock, this.#warn)));
    return queue;
  }

  start(): Promise<void> {
    this.#sweepIn(sweepEveryMs);
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    this.log.stop();
    this.signals.stop();
    for (const queue of this.#queues.values()) queue.stop();
    return Promise.resolve();
  }

  ready(): boolean {
    return this.#cancelSweep !== undefined;
  }

  refused(): number {
    return 0;
  }

  #sweepIn(ms: number): void {
    this.#cancelSweep = this.#clock.later(ms, () => this.#sweep());
  }

  #sweep(): void {
    const now = this.#now();
    const sweeps = [this.log, this.records, this.leases, this.counters].map((part) => part.sweep(now));
    this.#sweepIn(sweeps.includes(true) ? sweepOnMs : sweepEveryMs);
  }
}
