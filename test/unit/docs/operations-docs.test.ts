import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
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
  const served = new GatewayMetrics('1.2.3', () => true);
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

/** In code in the second cell of its table. */
const [, watched = ''] = page.split('\n## What to watch\n');
const expressions = [...watched.matchAll(/^\| [^|]+ \| `([^`]+)` \|/gm)].map(([, found = '']) =>
  found.replaceAll('\\|', '|'),
);

it('what is to be watched is there', () => {
  const known = new Set(metrics.map(({ name }) => name));
  expect(expressions.length).toBeGreaterThan(10);
  for (const expression of expressions) {
    const [name = ''] = /agentwire_\w+/.exec(expression) ?? [];
    expect(known).toContain(name.replace(/_bucket$/, ''));
  }
});

const promtool = spawnSync('promtool', ['--version']).error === undefined;

it.runIf(promtool)('Prometheus understands every expression', () => {
  const rules = expressions.map((expr, i) => ({ alert: `a${i}`, expr }));
  // A document of JSON is one of YAML.
  const path = join(mkdtempSync(join(tmpdir(), 'agentwire-rules-')), 'rules.yml');
  onTestFinished(() => rmSync(dirname(path), { recursive: true }));
  writeFileSync(path, JSON.stringify({ groups: [{ name: 'watch', rules }] }));
  const checked = spawnSync('promtool', ['check', 'rules', path], { encoding: 'utf8' });
  expect([checked.stderr, checked.status]).toEqual(['', 0]);
});
