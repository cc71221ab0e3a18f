import { Gauge, Histogram } from 'prom-client';
import type { Clock } from '../base/clock.ts';
import type { Result } from '../base/errors.ts';
import { metricTable } from './metric-table.ts';
import type { MetricsPage } from './metrics-page.ts';
import { labelled } from './scrape.ts';

const everyMs = 5000;
// From an answer over the loopback to the 5 s after which a call has failed.
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5];

interface Counts {
  readonly waiting: number;
  readonly delayed: number;
  readonly running: number;
}

/**
 * Looks at the queue of runs now and then, and at how long the store takes to say it. Not when somebody scrapes: a
 * scrape must not wait for a store that is away, when it is wanted most. Figures that are not known now are left out,
 * lest old ones pass for new.
 */
export class StoreWatch {
  readonly #clock: Clock;
  readonly #look: () => Promise<Result<Counts>>;
  readonly #took: Histogram;
  #counts: Counts | undefined = undefined;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor({ registry }: MetricsPage, clock: Clock, look: () => Promise<Result<Counts>>) {
    this.#clock = clock;
    this.#look = look;
    const counts = (): Counts | undefined => this.#counts;
    new Gauge({
      ...labelled(metricTable.queueRuns),
      aggregator: metricTable.queueRuns.together,
      registers: [registry],
      collect() {
        this.reset();
        for (const [state, count] of Object.entries(counts() ?? {})) this.set({ state }, count);
      },
    });
    this.#took = new Histogram({ ...labelled(metricTable.storeRoundTrip), buckets, registers: [registry] });
  }

  start(): void {
    void this.#go();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async #go(): Promise<void> {
    const began = performance.now();
    const looked = await this.#look();
    if (looked.ok) this.#took.observe((performance.now() - began) / 1000);
    this.#counts = looked.ok ? looked.value : undefined;
    if (!this.#stopped) this.#cancel = this.#clock.later(everyMs, () => void this.#go());
  }
}
