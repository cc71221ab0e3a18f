import { afterEach, expect, test } from 'vitest';
import { metricTable } from '../../../shared/observe/metric-table.ts';
import { GatewayMetrics } from '../../../shared/observe/metrics.ts';
import { WorkerMetrics } from '../../../shared/observe/worker-metrics.ts';

const made: GatewayMetrics[] = [];

function metricsOf(ready = true): GatewayMetrics {
  const metrics = new GatewayMetrics(() => ready);
  made.push(metrics);
  return metrics;
}

/** All that there is: of a gateway with a worker beside it. */
function allMetrics(): GatewayMetrics {
  const metrics = metricsOf();
  void new WorkerMetrics(metrics, () => ({ running: 0, parked: 0 }));
  return metrics;
}

afterEach(() => {
  for (const metrics of made.splice(0)) metrics.stop();
});

test('plain numbers are shown as they stand at each scrape', async () => {
  const metrics = metricsOf();
  metrics.stats.connections = 3;
  metrics.stats.eventsDelivered += 10;
  expect(await metrics.render()).toMatch(/^agentwire_connections 3$/m);
  metrics.stats.connections--;
  metrics.stats.eventsDelivered += 5;
  const text = await metrics.render();
  expect(text).toMatch(/^agentwire_connections 2$/m);
  expect(text).toMatch(/^agentwire_events_delivered_total 15$/m);
});

test('requests are counted by type and code, and timed by type', async () => {
  const metrics = metricsOf();
  metrics.request('publish', 'ok', 0.002);
  metrics.request('publish', 'ok', 0.2);
  metrics.request('publish', 'forbidden', 0.0001);
  await metrics.render();
  const text = await metrics.render();
  expect(text).toContain('agentwire_requests_total{type="publish",code="ok"} 2\n');
  expect(text).toContain('agentwire_requests_total{type="publish",code="forbidden"} 1\n');
  expect(text).toContain('agentwire_request_duration_seconds_bucket{le="0.0025",type="publish"} 2\n');
  expect(text).toContain('agentwire_request_duration_seconds_count{type="publish"} 3\n');
});

test('types without end share one row once there are a hundred', async () => {
  const metrics = metricsOf();
  for (let i = 0; i < 500; i++) metrics.request(`type-${i}`, 'ok', 0.001);
  const rows = (await metrics.render()).match(/^agentwire_requests_total\{.*$/gm) ?? [];
  expect(rows).toHaveLength(101);
  expect(rows).toContain('agentwire_requests_total{type="other",code="ok"} 400');
});

test('connections are counted by dialect, and readiness is asked at the scrape', async () => {
  const metrics = metricsOf(false);
  metrics.opened('native');
  metrics.opened('native');
  const text = await metrics.render();
  expect(text).toContain('agentwire_connections_total{dialect="native"} 2\n');
  expect(text).toMatch(/^agentwire_engine_ready 0$/m);
  expect(await metricsOf(true).render()).toMatch(/^agentwire_engine_ready 1$/m);
});

test('attempts at runs are counted by agent and by how they ended', async () => {
  const page = metricsOf();
  const inHand = { running: 0, parked: 0 };
  const metrics = new WorkerMetrics(page, () => inHand);
  metrics.started('echo', false);
  metrics.started('echo', true);
  metrics.waited(3);
  metrics.ended('echo', 'completed', 200);
  inHand.running = 3;
  inHand.parked = 1;
  const text = await page.render();
  expect(text).toContain('agentwire_runs_started_total{agent="echo"} 2\n');
  expect(text).toMatch(/^agentwire_run_takeovers_total 1$/m);
  expect(text).toContain('agentwire_runs_ended_total{agent="echo",outcome="completed"} 1\n');
  expect(text).toContain('agentwire_run_duration_seconds_bucket{le="0.5",agent="echo"} 1\n');
  expect(text).toContain('agentwire_run_wait_seconds_bucket{le="0.005"} 1\n');
  expect(text).toMatch(/^agentwire_runs_running 2$/m);
  expect(text).toMatch(/^agentwire_runs_parked 1$/m);
});

test('the process shows sensible figures of itself', async () => {
  const text = await metricsOf().render();
  const value = (name: string): number => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  expect(value(metricTable.cpu.name)).toBeGreaterThan(0);
  expect(value(metricTable.residentMemory.name)).toBeGreaterThan(1e6);
  expect(value(metricTable.startTime.name) * 1000).toBeLessThanOrEqual(Date.now());
  expect(value(metricTable.eventLoopDelay.name)).toBeGreaterThanOrEqual(0);
});

test('every metric of the table is there, and none besides', async () => {
  const linuxOnly: string[] = process.platform === 'linux' ? [] : [metricTable.openFiles.name];
  const names = Object.values(metricTable).map((metric) => metric.name);
  const shown = [...(await allMetrics().render()).matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  expect(new Set(shown)).toEqual(new Set(names.filter((name) => !linuxOnly.includes(name))));
});

test("the text keeps the rules of promtool's lint", async () => {
  const text = await allMetrics().render();
  const kinds = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  expect(kinds.length).toBeGreaterThan(10);
  for (const [, name = '', kind] of kinds) {
    expect(name).toMatch(/^agentwire_[a-z0-9_]+$/);
    expect(text).toMatch(new RegExp(`^# HELP ${name} \\S.+$`, 'm'));
    expect(name.endsWith('_total')).toBe(kind === 'counter');
    expect(name).not.toMatch(/_(count|sum|bucket|info|gauge|counter|histogram|summary)$/);
    expect(name).not.toMatch(/(^|_)(ms|us|ns|s|sec|millis|milliseconds|minutes|hours|days|kb|mb|kilobytes)(_|$)/);
  }
});
