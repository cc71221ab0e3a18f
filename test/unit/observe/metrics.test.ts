import { afterEach, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { metricTable } from '../../../shared/observe/metric-table.ts';
import { GatewayMetrics } from '../../../shared/observe/metrics.ts';
import { StoreWatch } from '../../../shared/observe/store-watch.ts';
import { WorkerMetrics } from '../../../shared/observe/worker-metrics.ts';

const made: GatewayMetrics[] = [];
const known = { dialects: ['native', 'chat'], requests: ['publish', 'run'] };

function metricsOf(ready = true): GatewayMetrics {
  const metrics = new GatewayMetrics('1.2.3', { ready: () => ready, refused: () => 0 }, known);
  made.push(metrics);
  return metrics;
}

/** All that there is: of a gateway with a worker beside it. */
function allMetrics(): GatewayMetrics {
  const metrics = metricsOf();
  void new WorkerMetrics(metrics, { agents: [], slots: 1, inHand: () => ({ running: 0, parked: 0 }) });
  void new StoreWatch(metrics, new ManualClock(), () => Promise.resolve(fail('unavailable')));
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
  const rows = (await metrics.render()).match(/^agentwire_requests_total\{.*code="ok".*$/gm) ?? [];
  expect(rows).toHaveLength(101);
  expect(rows).toContain('agentwire_requests_total{type="other",code="ok"} 402');
});

test('connections are counted by dialect, and readiness is asked at the scrape', async () => {
  const metrics = metricsOf(false);
  metrics.opened('native');
  metrics.opened('native');
  const text = await metrics.render();
  expect(text).toContain('agentwire_connections_opened_total{dialect="native"} 2\n');
  expect(text).toMatch(/^agentwire_engine_ready 0$/m);
  expect(await metricsOf(true).render()).toMatch(/^agentwire_engine_ready 1$/m);
});

test('attempts at runs are counted by agent and by how they ended', async () => {
  const page = metricsOf();
  const inHand = { running: 0, parked: 0 };
  const metrics = new WorkerMetrics(page, { agents: ['echo', 'fail'], slots: 7, inHand: () => inHand });
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
  expect(text).toMatch(/^agentwire_run_slots 7$/m);
});

test('what is watched for its first event is there from the start, at 0', async () => {
  const metrics = metricsOf();
  void new WorkerMetrics(metrics, { agents: ['echo'], slots: 1, inHand: () => ({ running: 0, parked: 0 }) });
  const text = await metrics.render();
  for (const row of [
    'agentwire_connections_opened_total{dialect="native"}',
    'agentwire_connections_opened_total{dialect="chat"}',
    'agentwire_connections_closed_total{reason="flooding"}',
    'agentwire_connections_closed_total{reason="protocol_abuse"}',
    'agentwire_connections_refused_total{reason="draining"}',
    'agentwire_connections_refused_total{reason="full"}',
    'agentwire_auth_failures_total',
    'agentwire_events_dropped_total',
    'agentwire_requests_total{type="publish",code="ok"}',
    'agentwire_requests_total{type="run",code="busy"}',
    'agentwire_requests_total{type="run",code="internal"}',
    'agentwire_requests_total{type="publish",code="unavailable"}',
    'agentwire_runs_started_total{agent="echo"}',
    'agentwire_runs_ended_total{agent="echo",outcome="failed"}',
    'agentwire_runs_ended_total{agent="echo",outcome="lost"}',
    'agentwire_run_takeovers_total',
  ]) {
    expect(text).toContain(`${row} 0\n`);
  }
});

test('what this node ended and turned away is counted by reason', async () => {
  const metrics = metricsOf();
  metrics.closed('draining');
  metrics.closed('draining');
  metrics.closed('flooding');
  metrics.refused('full');
  const text = await metrics.render();
  expect(text).toContain('agentwire_connections_closed_total{reason="draining"} 2\n');
  expect(text).toContain('agentwire_connections_closed_total{reason="flooding"} 1\n');
  expect(text).toContain('agentwire_connections_refused_total{reason="full"} 1\n');
});

test('the version and the drain are told', async () => {
  const metrics = metricsOf();
  expect(await metrics.render()).toContain('agentwire_build_info{version="1.2.3"} 1\n');
  expect(await metrics.render()).toMatch(/^agentwire_draining 0$/m);
  metrics.draining = true;
  expect(await metrics.render()).toMatch(/^agentwire_draining 1$/m);
});

test('the queue is looked at in the background, and left out while it cannot be', async () => {
  type Counts = Result<{ waiting: number; delayed: number; running: number }>;
  const asked: ((counts: Counts) => void)[] = [];
  const clock = new ManualClock();
  const metrics = metricsOf();
  const watch = new StoreWatch(metrics, clock, () => new Promise((resolve) => asked.push(resolve)));
  const answer = async (counts: Counts): Promise<string> => {
    asked.at(-1)!(counts);
    await Promise.resolve();
    return metrics.render();
  };
  watch.start();
  // A store that does not answer holds up no scrape.
  expect(await metrics.render()).not.toContain('agentwire_queue_runs{');
  const text = await answer(ok({ waiting: 3, delayed: 1, running: 2 }));
  expect(text).toContain('agentwire_queue_runs{state="waiting"} 3\n');
  expect(text).toContain('agentwire_queue_runs{state="running"} 2\n');
  expect(text).toMatch(/^agentwire_store_round_trip_seconds_count 1$/m);
  clock.advance(5000);
  expect(asked).toHaveLength(2);
  const away = await answer(fail('unavailable'));
  expect(away).not.toContain('agentwire_queue_runs{');
  expect(away).toMatch(/^agentwire_store_round_trip_seconds_count 1$/m);
  clock.advance(5000);
  watch.stop();
  expect(await answer(ok({ waiting: 0, delayed: 0, running: 0 }))).toContain(
    'agentwire_queue_runs{state="waiting"} 0\n',
  );
  expect(clock.pending).toBe(0);
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

test('no two metrics are of one family in OpenMetrics, where a counter goes by its name without `_total`', () => {
  const families = Object.values(metricTable).map(({ name }) => name.replace(/_total$/, ''));
  expect(families).toEqual([...new Set(families)]);
});

test("the text keeps the rules of promtool's lint", async () => {
  const text = await allMetrics().render();
  const kinds = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  expect(kinds.length).toBeGreaterThan(10);
  for (const [, name = '', kind] of kinds) {
    expect(name).toMatch(/^agentwire_[a-z0-9_]+$/);
    expect(text).toMatch(new RegExp(`^# HELP ${name} \\S.+$`, 'm'));
    expect(name.endsWith('_total')).toBe(kind === 'counter');
    expect(name).not.toMatch(/_(count|sum|bucket|gauge|counter|histogram|summary)$/);
    expect(name).not.toMatch(/(^|_)(ms|us|ns|s|sec|millis|milliseconds|minutes|hours|days|kb|mb|kilobytes)(_|$)/);
  }
});
