import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Counters } from '../engine.ts';
import { Expiry } from './expiry.ts';
import type { Ending } from './expiry.ts';

interface Counter extends Ending {
  readonly name: string;
  value: number;
}

export class MemoryCounters implements Counters {
  readonly #now: () => number;
  readonly #counters = new Map<string, Counter>();
  readonly #expiry = new Expiry<Counter>();

  constructor(now: () => number) {
    this.#now = now;
  }

  add(name: string, by: number, ttlMs: number): Promise<Result<number>> {
    const now = this.#now();
    let counter = this.#counters.get(name);
    if (!counter) this.#counters.set(name, (counter = { name, value: 0, endsAt: Infinity, filedAt: Infinity }));
    if (counter.endsAt <= now) counter.value = 0;
    counter.value += by;
    counter.endsAt = now + ttlMs;
    this.#expiry.file(counter);
    return Promise.resolve(ok(counter.value));
  }

  /** True when there is more to do than fits into one sweep. */
  sweep(now: number): boolean {
    return this.#expiry.sweep(now, (counter) => this.#counters.delete(counter.name));
  }
}
