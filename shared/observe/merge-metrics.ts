import { AggregatorRegistry } from 'prom-client';
import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** The metrics of one process at one moment, as plain values. */
export type MetricsSnapshot = MetricObjectWithValues<MetricValue<string>>[];

/** What several processes show as if they were one, in Prometheus's text. */
export function mergedMetrics(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots]).metrics();
}

/** What a process that is gone has counted goes on being counted: a sum that falls looks like a restart to Prometheus. */
export function addCounts(sum: MetricsSnapshot, gone: MetricsSnapshot): Promise<MetricsSnapshot> {
  const counts = gone.filter(({ type }) => String(type) !== 'gauge');
  return AggregatorRegistry.aggregate([sum, counts]).getMetricsAsJSON();
}
