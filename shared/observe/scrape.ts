import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Metric } from './metric-table.ts';

// The values live in plain number fields and are looked at when somebody scrapes: a message costs an addition.

export function countAtScrape(registry: Registry, { name, help }: Metric, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

export function gaugeAtScrape(registry: Registry, { name, help, together }: Metric, read: () => number): void {
  new Gauge({
    name,
    help,
    aggregator: together ?? 'sum',
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

/** Of a metric that is told of events as they happen. */
export function labelled({ name, help, labels = [] }: Metric): { name: string; help: string; labelNames: string[] } {
  return { name, help, labelNames: [...labels] };
}

/** A row that begins with its first event hides that one: to Prometheus nothing has grown. So those we know begin at 0. */
export function fromZero<L extends string>(counter: Counter<L>, rows: readonly Record<L, string>[]): void {
  for (const row of rows) counter.inc(row, 0);
}
