import { afterEach, expect, test } from 'vitest';
import { addCounts, mergedMetrics } from '../../../shared/observe/merge-metrics.ts';
import type { MetricsSnapshot } from '../../../shared/observe/merge-metrics.ts';
import { GatewayMetrics } from '../../../shared/observe/metrics.ts';

const made: GatewayMetrics[] = [];
const known = { dialects: [], requests: [] };

function metricsOf(ready = true): GatewayMetrics {
  const metrics = new GatewayMetrics('1.2.3', { ready: () => ready, refused: () => 0 }, known);
  made.push(metrics);
  return metrics;
}

/** As it arrives at another process. */
async function sent(metrics: GatewayMetrics): Promise<MetricsSnapshot> {
  return JSON.parse(JSON.stringify(await metrics.snapshot())) as MetricsSnapshot;
}

afterEach(() => {
  for (const metrics of made.splice(0)) metrics.stop();
});

test('what several processes count and hold is added up, label by label', async () => {
  const [a, b] = [metricsOf(), metricsOf()];
  a.stats.connections = 3;
  b.stats.connections = 4;
  a.request('publish', 'ok', 0.002);
  b.request('publish', 'ok', 0.2);
  b.request('history', 'forbidden', 0.2);
  const text = await mergedMetrics([await sent(a), await sent(b)]);
  expect(text).toMatch(/^agentwire_connections 7$/m);
  expect(text).toContain('agentwire_requests_total{type="publish",code="ok"} 2\n');
  expect(text).toContain('agentwire_requests_total{type="history",code="forbidden"} 1\n');
  expect(text).toContain('agentwire_request_duration_seconds_bucket{le="0.0025",type="publish"} 1\n');
  expect(text).toContain('agentwire_request_duration_seconds_count{type="publish"} 2\n');
});

test('one process alone is shown as it shows itself', async () => {
  const metrics = metricsOf();
  metrics.request('publish', 'ok', 0.002);
  metrics.opened('native');
  const names = (text: string): string[] => text.match(/^\w+(\{.*?\})?(?= )/gm) ?? [];
  expect(names(await mergedMetrics([await sent(metrics)])).sort()).toEqual(names(await metrics.render()).sort());
});

test('the store is ready when it is for all of them', async () => {
  const snapshots = [await sent(metricsOf(true)), await sent(metricsOf(false))];
  expect(await mergedMetrics(snapshots)).toMatch(/^agentwire_engine_ready 0$/m);
});

test('of a process that is gone its counts remain, and nothing that it held', async () => {
  const [gone, second, here] = [metricsOf(), metricsOf(), metricsOf()];
  for (const metrics of [gone, second, here]) {
    metrics.stats.connections = 5;
    metrics.stats.eventsPublished = 100;
    metrics.request('publish', 'ok', 0.1);
  }
  const past = await addCounts(await addCounts([], await sent(gone)), await sent(second));
  const text = await mergedMetrics([past, await sent(here)]);
  expect(text).toMatch(/^agentwire_connections 5$/m);
  expect(text).toMatch(/^agentwire_events_published_total 300$/m);
  expect(text).toContain('agentwire_request_duration_seconds_count{type="publish"} 3\n');
});
