import { Counter, Histogram } from 'prom-client';
import { metricTable } from './metric-table.ts';
import type { MetricsPage } from './metrics-page.ts';
import { countAtScrape, fromZero, gaugeAtScrape, labelled } from './scrape.ts';

/** Where a run stood when a worker had done with it; `requeued` is for another attempt, `lost` is in other hands. */
const outcomes = ['completed', 'cancelled', 'failed', 'requeued', 'lost'] as const;
export type RunOutcome = (typeof outcomes)[number];

/** What a worker has in its hands now. */
export interface RunsInHand {
  readonly running: number;
  readonly parked: number;
}

// From an agent that only answers to one that works for hours.
const durationBuckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200];
// From an idle worker to a queue that is far too long.
const waitBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5, 30, 300, 1800];

export interface WorkerFigures {
  /** The names of those that were loaded, so the rows have a bound. */
  readonly agents: readonly string[];
  readonly slots: number;
  readonly inHand: () => RunsInHand;
}

/** What a worker counts. */
export class WorkerMetrics {
  readonly #started: Counter<'agent'>;
  readonly #ended: Counter<'agent' | 'outcome'>;
  readonly #duration: Histogram<'agent'>;
  readonly #wait: Histogram;
  #takeovers = 0;

  constructor({ registry }: MetricsPage, { agents, slots, inHand }: WorkerFigures) {
    const registers = [registry];
    this.#started = new Counter({ ...labelled(metricTable.runsStarted), registers });
    this.#ended = new Counter({ ...labelled(metricTable.runsEnded), registers });
    fromZero(
      this.#started,
      agents.map((agent) => ({ agent })),
    );
    fromZero(
      this.#ended,
      agents.flatMap((agent) => outcomes.map((outcome) => ({ agent, outcome }))),
    );
    gaugeAtScrape(registry, metricTable.runsRunning, () => inHand().running - inHand().parked);
    gaugeAtScrape(registry, metricTable.runSlots, () => slots);
    gaugeAtScrape(registry, metricTable.runsParked, () => inHand().parked);
    this.#duration = new Histogram({ ...labelled(metricTable.runDuration), buckets: durationBuckets, registers });
    this.#wait = new Histogram({ ...labelled(metricTable.runWait), buckets: waitBuckets, registers });
    countAtScrape(registry, metricTable.runTakeovers, () => this.#takeovers);
  }

  started(agent: string, takeover: boolean): void {
    this.#started.inc({ agent });
    if (takeover) this.#takeovers += 1;
  }

  waited(ms: number): void {
    this.#wait.observe(ms / 1000);
  }

  ended(agent: string, outcome: RunOutcome, tookMs: number): void {
    this.#ended.inc({ agent, outcome });
    this.#duration.observe({ agent }, tookMs / 1000);
  }
}
