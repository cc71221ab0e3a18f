import { Gauge, Registry } from 'prom-client';
import type { MetricsSnapshot } from './merge-metrics.ts';
import { metricTable } from './metric-table.ts';
import { addProcessMetrics } from './process-metrics.ts';
import { countAtScrape, gaugeAtScrape, labelled } from './scrape.ts';

/** What is shown of the store. */
export interface StoreFigures {
  ready(): boolean;
  /** How often it took no change. */
  refused(): number;
}

/**
 * What a process shows on /metrics: figures of itself, and those of each service in it. Each has a registry of its own,
 * so that several can live in one process.
 */
export class MetricsPage {
  readonly registry = new Registry();
  /** Set by whoever drains. */
  draining = false;
  readonly #stopProcess: () => void;

  constructor(version: string, store: StoreFigures) {
    const registers = [this.registry];
    const { buildInfo } = metricTable;
    new Gauge({ ...labelled(buildInfo), aggregator: buildInfo.together, registers }).set({ version }, 1);
    gaugeAtScrape(this.registry, metricTable.engineReady, () => (store.ready() ? 1 : 0));
    countAtScrape(this.registry, metricTable.storeRefusals, () => store.refused());
    gaugeAtScrape(this.registry, metricTable.draining, () => (this.draining ? 1 : 0));
    this.#stopProcess = addProcessMetrics(this.registry);
  }

  /** The header that the rendered text goes out with. */
  get contentType(): string {
    return this.registry.contentType;
  }

  render(): Promise<string> {
    return this.registry.metrics();
  }

  /** The same as values, for another process to put together with those of its kind. */
  snapshot(): Promise<MetricsSnapshot> {
    return this.registry.getMetricsAsJSON();
  }

  stop(): void {
    this.#stopProcess();
  }
}
