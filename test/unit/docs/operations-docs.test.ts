import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail } from '../../../shared/base/errors.ts';
import { metricTable } from '../../../shared/observe/metric-table.ts';
import type { Metric } from '../../../shared/observe/metric-table.ts';
import { GatewayMetrics } from '../../../shared/observe/metrics.ts';
import { StoreWatch } from '../../../shared/observe/store-watch.ts';
import { WorkerMetrics } from '../../../shared/observe/worker-metrics.ts';

const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
const metrics: readonly Metric[] = Object.values(metricTable);

/** As they are served. */
async function types(): Promise<Map<string, string>> {
  const served = new GatewayMetrics('1.2.3', { ready: () => true, refused: () => 0 }, { dialects: [], requests: [] });
  onTestFinished(() => served.stop());
  void new WorkerMetrics(served, { agents: [], slots: 1, inHand: () => ({ running: 0, parked: 0 }) });
  void new StoreWatch(served, new ManualClock(), () => Promise.resolve(fail('unavailable')));
  const text = await served.render();
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
}

it('the page lists every metric as it is served', async () => {
  const typeOf = await types();
  const rows = metrics.map(({ name, labels = [], help }) => {
    const labelled = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${typeOf.get(name) ?? 'gauge'} | ${labelled} | ${help} |`.replaceAll(' |  |', ' | |');
  });
  expect(page).toContain(
    ['| Metric | Type | Labels | What it is |', '| --- | --- | --- | --- |', ...rows, ''].join('\n'),
  );
});

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
}

const [, watched = ''] = page.split('\n## What to watch\n');
const alerts = [...watched.matchAll(/^\| ([^|]+) \| `([^`]+)` \| (\w*) ?\|/gm)].map(
  ([, alert = '', expr = '', holds = '']): Alert => ({
    alert,
    expr: expr.replaceAll('\\|', '|'),
    ...(holds === '' ? {} : { for: holds }),
  }),
);

it('what is to be watched is there', () => {
  const known = new Set(metrics.map(({ name }) => name));
  expect(alerts.length).toBeGreaterThan(10);
  for (const { expr } of alerts) {
    const [name = ''] = /agentwire_\w+/.exec(expr) ?? [];
    expect(known).toContain(name.replace(/_bucket$/, ''));
  }
});

/**
 * What was scraped every 15 s, in promtool's words: `a+bxn` is a, and n times b more; a series that is `stale` ended
 * there, with its process. The alert is looked at after ten minutes: there with these labels on `fires`, and not there
 * on `quiet`.
 */
interface Case {
  readonly fires: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly quiet: Readonly<Record<string, string>>;
}

const started = (by: string): string => `0x20 ${by}x20`;
const latency = (name: string, within: string, beyond: string, labels = ''): Record<string, string> => ({
  [`${name}_bucket{le="0.025"${labels}}`]: within,
  [`${name}_bucket{le="1"${labels}}`]: beyond,
  [`${name}_bucket{le="+Inf"${labels}}`]: beyond,
});

const cases: Readonly<Record<string, Case>> = {
  'No store': {
    fires: { agentwire_engine_ready: '1x36 0x4' },
    quiet: {
      'agentwire_engine_ready{instance="a"}': '1x38 0 1',
      'agentwire_engine_ready{instance="gone"}': '1x20 0 stale',
    },
  },
  'A store that takes no changes': {
    fires: { agentwire_store_refusals_total: '0x20 0+20x20' },
    quiet: {
      'agentwire_store_refusals_total{instance="a"}': '0x38 3x2',
      'agentwire_store_refusals_total{instance="b"}': '9x40',
    },
  },
  'A slow store': {
    fires: latency('agentwire_store_round_trip_seconds', '0+1x40', '0+3x40'),
    quiet: latency('agentwire_store_round_trip_seconds', '0+3x40', '0+3x40'),
  },
  'Slow publishes': {
    fires: latency('agentwire_request_duration_seconds', '0+90x40', '0+100x40', ',type="publish"'),
    quiet: {
      ...latency('agentwire_request_duration_seconds', '0+100x40', '0+100x40', ',type="publish"'),
      ...latency('agentwire_request_duration_seconds', '0x40', '0+100x40', ',type="run"'),
    },
  },
  'Failing requests': {
    fires: { 'agentwire_requests_total{type="publish",code="internal"}': started('1') },
    labels: { code: 'internal' },
    quiet: {
      'agentwire_requests_total{type="publish",code="ok"}': '0+9x40',
      'agentwire_requests_total{type="publish",code="forbidden"}': '0+9x40',
      'agentwire_requests_total{type="publish",code="internal"}': '5x40',
    },
  },
  'Runs pile up': {
    fires: {
      'agentwire_queue_runs{state="waiting",instance="a"}': '0x15 3x25',
      'agentwire_queue_runs{state="waiting",instance="b"}': '0x15 3x25',
    },
    // The store was away for a while, and the figure with it; a run that waits since then waits for a minute.
    quiet: {
      'agentwire_queue_runs{state="waiting",instance="a"}': '0x17 3x5 stale',
      'agentwire_queue_runs{state="waiting",instance="b"}': '_x35 3x5',
      'agentwire_queue_runs{state="running",instance="b"}': '3x40',
    },
  },
  'Workers are full': {
    fires: { agentwire_runs_running: '10x40', agentwire_run_slots: '10x40' },
    quiet: {
      'agentwire_runs_running{instance="a"}': '10x40',
      'agentwire_run_slots{instance="a"}': '10x40',
      'agentwire_runs_running{instance="b"}': '0x40',
      'agentwire_run_slots{instance="b"}': '10x40',
    },
  },
  'Dying workers': {
    fires: { agentwire_run_takeovers_total: started('1') },
    quiet: { agentwire_run_takeovers_total: '2x40' },
  },
  'Failing agents': {
    fires: { 'agentwire_runs_ended_total{agent="a",outcome="failed"}': started('1') },
    labels: { agent: 'a' },
    quiet: {
      'agentwire_runs_ended_total{agent="a",outcome="failed"}': '1x40',
      'agentwire_runs_ended_total{agent="a",outcome="cancelled"}': '0+1x40',
    },
  },
  'Slow clients': {
    fires: { agentwire_events_dropped_total: started('7') },
    quiet: { agentwire_events_dropped_total: '7x40' },
  },
  'Refused clients': {
    fires: { 'agentwire_connections_refused_total{reason="full"}': started('1') },
    labels: { reason: 'full' },
    quiet: { 'agentwire_connections_refused_total{reason="full"}': '1x40' },
  },
  Abuse: {
    fires: { 'agentwire_connections_closed_total{reason="flooding"}': started('1') },
    labels: { reason: 'flooding' },
    quiet: { 'agentwire_connections_closed_total{reason="draining"}': '0+9x40' },
  },
  'A busy process': {
    fires: { agentwire_process_cpu_seconds_total: '0+14x40' },
    quiet: { agentwire_process_cpu_seconds_total: '0+1x20 35+14x8 148+1x10' },
  },
  'A blocked process': {
    fires: { agentwire_eventloop_delay_p99_seconds: '0.5x40' },
    quiet: { agentwire_eventloop_delay_p99_seconds: '0x20 0.5 0x18 0.5' },
  },
};

it('what is to be watched is tried in both ways', () => {
  expect(Object.keys(cases)).toEqual(alerts.map(({ alert }) => alert));
});

const promtool = spawnSync('promtool', ['--version']).error === undefined;

describe.runIf(promtool)('Prometheus', () => {
  /** Documents of JSON are ones of YAML. */
  function promtoolOn(command: 'check' | 'test', files: Record<string, unknown>): [string, number | null] {
    const folder = mkdtempSync(join(tmpdir(), 'agentwire-rules-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), JSON.stringify(content));
    const [first = ''] = Object.keys(files);
    const { stdout, stderr, status } = spawnSync('promtool', [command, 'rules', first], {
      cwd: folder,
      encoding: 'utf8',
    });
    return [status === 0 ? stderr : stdout + stderr, status];
  }

  const rules = { groups: [{ name: 'watch', rules: alerts }] };

  it('understands every expression', () => {
    expect(promtoolOn('check', { 'rules.yml': rules })).toEqual(['', 0]);
  });

  it('fires when it is time, and not otherwise', () => {
    const tests = alerts.flatMap(({ alert }) => {
      const { fires, quiet, labels = {} } = cases[alert]!;
      return [
        { series: fires, expected: [{ exp_labels: labels }] },
        { series: quiet, expected: [] },
      ].map(({ series, expected }, i) => ({
        name: `${alert}: ${i === 0 ? 'fires' : 'quiet'}`,
        interval: '15s',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        alert_rule_test: [{ eval_time: '10m', alertname: alert, exp_alerts: expected }],
      }));
    });
    const tried = { rule_files: ['rules.yml'], evaluation_interval: '15s', tests };
    expect(promtoolOn('test', { 'tests.yml': tried, 'rules.yml': rules })).toEqual(['', 0]);
  });
});
