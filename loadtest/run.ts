import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { startCluster } from '../deploy/local/cluster.ts';
import type { LocalCluster } from '../deploy/local/cluster.ts';
import { loads } from './k6/plan.ts';
import { profileNames } from './k6/profiles.ts';
import type { Summary } from './k6/report.ts';
import { pageOf } from './page/page.ts';
import { readSeries } from './page/series.ts';

/** Starts k6 against `AGENTWIRE_URL`, or against a local cluster that lives as long as the test. */
const root = fileURLToPath(new URL('..', import.meta.url));
const cached = join(root, 'node_modules/.cache/agentwire');

const usage = `node loadtest/run.ts --profile ${profileNames.join('|')} [scenario …] [-- arguments of k6]

  scenarios: ${loads.join(', ')}; all of them where none is named
  AGENTWIRE_URL: what to test, such as http://broker:8080; unset: a local cluster that is started and stopped
`;

/** What is missing or misspelt, before anything was started. */
class Unusable extends Error {}

function settings(): { profile: string; scenarios: string[]; forK6: string[] } {
  const args = process.argv.slice(2);
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  const { values, positionals: scenarios } = parseArgs({
    args: own,
    allowPositionals: true,
    options: { profile: { type: 'string', default: 'ci' } },
  });
  const { profile } = values;
  if (!(profileNames as readonly string[]).includes(profile))
    throw new Unusable(`no profile is called ${profile}\n\n${usage}`);
  const unknown = scenarios.find((name) => !(loads as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Unusable(`no scenario is called ${unknown}\n\n${usage}`);
  return { profile, scenarios, forK6: args.slice(own.length + 1) };
}

/** On the PATH or built before; else built now, which says by itself what it lacks. */
function findK6(): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), cached];
  const found = (): string | undefined => folders.map((folder) => join(folder, 'k6')).find(isRecent);
  const there = found();
  if (there !== undefined) return there;
  const { status } = spawnSync(join(root, '.ci/install-k6'), { stdio: 'inherit' });
  const built = status === 0 ? found() : undefined;
  if (built === undefined) throw new Unusable('without k6 there is no load test');
  return built;
}

/** 2.2 is the first with a TextDecoder, which the MessagePack library wants. */
function isRecent(command: string): boolean {
  const { stdout } = spawnSync(command, ['version'], { encoding: 'utf8' });
  const [, major = 0, minor = 0] = /v(\d+)\.(\d+)/.exec(stdout ?? '')?.map(Number) ?? [];
  return major > 2 || (major === 2 && minor >= 2);
}

async function main(): Promise<number> {
  const { profile, scenarios, forK6 } = settings();
  const k6 = findK6();
  const folder = join(root, 'loadtest/results', profile);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const script = join(folder, 'script.js');
  await build({
    entryPoints: [join(root, 'loadtest/k6/main.ts')],
    outfile: script,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    // The engine of k6 does not know this one.
    supported: { 'for-await': false },
    mainFields: ['module', 'main'],
    external: ['k6', 'k6/*'],
  });

  let cluster: LocalCluster | undefined;
  let url = process.env['AGENTWIRE_URL'] ?? '';
  if (url === '') {
    cluster = await startCluster({ folder: join(folder, 'cluster'), gateways: 3, workers: 2 });
    ({ url } = cluster);
  }
  try {
    const summary = join(folder, 'summary.json');
    const series = join(folder, 'series.ndjson');
    console.log(`profile ${profile} against ${url}`);
    const child = spawn(k6, ['run', '--quiet', ...forK6, script], {
      stdio: 'inherit',
      env: {
        ...process.env,
        AGENTWIRE_URL: url,
        PROFILE: profile,
        SCENARIOS: scenarios.join(','),
        // Several generators of one test share it; else it keeps this test apart from the topics of every other.
        RUN_ID: process.env['RUN_ID'] ?? Date.now().toString(36),
        SUMMARY: summary,
        // The figures of every second, of which the page draws its plots. Nothing listens on a port.
        K6_WEB_DASHBOARD: 'true',
        K6_WEB_DASHBOARD_PORT: '-1',
        K6_WEB_DASHBOARD_PERIOD: '1s',
        K6_WEB_DASHBOARD_RECORD: series,
        K6_WEB_DASHBOARD_TAGS: 'load',
        K6_NO_USAGE_REPORT: 'true',
      },
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    // There is none where k6 could not begin.
    if (existsSync(summary)) {
      const written = JSON.parse(readFileSync(summary, 'utf8')) as { summary: Summary };
      writeFileSync(join(folder, 'report.html'), pageOf(written.summary, readSeries(readFileSync(series, 'utf8'))));
      console.log(`${relative(process.cwd(), folder)}: summary.json, and report.html with plots`);
    }
    return code ?? 1;
  } finally {
    await cluster?.stop();
  }
}

// k6 gets these signals from the terminal as well, and this process ends with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof Unusable ? 2 : 1;
}
