import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { startCluster } from '../deploy/local/cluster.ts';
import type { LocalCluster } from '../deploy/local/cluster.ts';
import { k6Command } from './k6-command.ts';
import { loads } from './k6/plan.ts';
import { profileNames } from './k6/profiles.ts';
import type { Summary } from './k6/report.ts';
import { pageOf } from './page/page.ts';
import { readSeries } from './page/series.ts';

/** Starts k6 against `AGENTWIRE_URL`, or against a local cluster that lives as long as the test. */
const root = fileURLToPath(new URL('..', import.meta.url));

const usage = `npm run loadtest -- [--profile ${profileNames.join('|')}] [--results FOLDER] [scenario …] [-- arguments of k6]

  scenarios      ${loads.join(', ')}; all of them where none is named
  AGENTWIRE_URL  what to test, such as http://broker:8080; unset: a local cluster that is started and stopped
  RUN_ID         the same for several generators of one test; unset: one of its own
`;

/** What is missing or misspelt, before anything was started. */
class Unusable extends Error {}

interface Settings {
  readonly profile: string;
  readonly scenarios: readonly string[];
  readonly folder: string;
  readonly forK6: readonly string[];
}

function settings(): Settings {
  const args = process.argv.slice(2);
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  const { values, positionals: scenarios } = parseArgs({
    args: own,
    allowPositionals: true,
    options: { profile: { type: 'string', default: 'ci' }, results: { type: 'string' } },
  });
  const { profile, results } = values;
  const known: readonly string[] = profileNames;
  if (!known.includes(profile)) throw new Unusable(`no profile is called ${profile}\n\n${usage}`);
  const unknown = scenarios.find((name) => !(loads as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Unusable(`no scenario is called ${unknown}\n\n${usage}`);
  const folder = results === undefined ? join(root, 'loadtest/results', profile) : resolve(results);
  return { profile, scenarios, folder, forK6: args.slice(own.length + 1) };
}

/** One file: k6 looks for no packages. */
async function bundle(script: string): Promise<void> {
  await build({
    entryPoints: [join(root, 'loadtest/k6/main.ts')],
    outfile: script,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    // Older than the rest of what the engine of k6 knows, and in the MessagePack library.
    supported: { 'for-await': false },
    mainFields: ['module', 'main'],
    external: ['k6', 'k6/*'],
  });
}

let running: ChildProcess | undefined;

/** The exit code of k6: 0 where everything held, 99 where a threshold was crossed. */
async function runK6(k6: string, url: string, { profile, scenarios, folder, forK6 }: Settings): Promise<number> {
  const script = join(folder, 'script.js');
  const summary = join(folder, 'summary.json');
  const series = join(folder, 'series.ndjson');
  await bundle(script);
  const child = spawn(k6, ['run', '--quiet', ...forK6, script], {
    stdio: 'inherit',
    env: {
      ...process.env,
      AGENTWIRE_URL: url,
      PROFILE: profile,
      SCENARIOS: scenarios.join(','),
      // Keeps the topics of this test apart from those of every other.
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
  running = child;
  const [code] = (await once(child, 'exit')) as [number | null];
  // There is none where k6 could not begin.
  if (existsSync(summary)) {
    const written = JSON.parse(readFileSync(summary, 'utf8')) as { summary: Summary };
    writeFileSync(join(folder, 'report.html'), pageOf(written.summary, readSeries(readFileSync(series, 'utf8'))));
    console.log(`${relative(process.cwd(), folder)}: summary.json, and report.html with plots`);
  }
  return code ?? 1;
}

async function main(): Promise<number> {
  const chosen = settings();
  const k6 = k6Command();
  if (k6 === undefined) throw new Unusable('without k6 there is no load test');
  rmSync(chosen.folder, { recursive: true, force: true });
  mkdirSync(chosen.folder, { recursive: true });

  let cluster: LocalCluster | undefined;
  let url = process.env['AGENTWIRE_URL'] ?? '';
  if (url === '') {
    cluster = await startCluster({ folder: join(chosen.folder, 'cluster'), gateways: 3, workers: 2 });
    ({ url } = cluster);
  }
  try {
    console.log(`profile ${chosen.profile} against ${url}`);
    return await runK6(k6, url, chosen);
  } finally {
    await cluster?.stop();
  }
}

// Leaving by `exit` ends what was started. While k6 runs, it ends first, and then the cluster in order.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (running === undefined) process.exit(1);
    // A terminal has interrupted k6 as well, and told twice it would drop everything.
    if (signal === 'SIGTERM') running.kill(signal);
  });
}
try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof Unusable ? 2 : 1;
}
