import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCluster, stopCluster } from './cluster.ts';
import { isRunning } from './processes.ts';
import type { ClusterProcess } from './processes.ts';
import { loadState } from './state.ts';
import type { ClusterState } from './state.ts';

const commands: Record<string, () => Promise<number> | number> = { up, down, status };
const [name = '', place = fileURLToPath(new URL('../../.agentwire/cluster', import.meta.url)), ...more] =
  process.argv.slice(2);
const folder = resolve(place);

const command = Object.hasOwn(commands, name) && more.length === 0 ? commands[name] : undefined;
if (!command) {
  say(
    'usage: node deploy/local/main.ts up|down|status [folder]',
    'PORT=8080, GATEWAYS=3 and WORKERS=2 are settings of `up`; gateways and workers get the rest of the environment.',
  );
  process.exit(2);
}
try {
  process.exitCode = await command();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function up(): Promise<number> {
  const before = loadState(folder);
  // Where none of it runs the machine was started anew, and there is nothing to stop.
  if (before?.processes.some(isRunning)) {
    const already = isWhole(before);
    say(`The cluster is up ${already ? 'already.' : 'in part: stop it first.'}`, ...placesOf(before));
    return already ? 0 : 1;
  }
  const { PORT, GATEWAYS, WORKERS, ...env } = process.env;
  const port = whole('PORT', PORT || '8080', 1, 65_535);
  const gateways = whole('GATEWAYS', GATEWAYS || '3', 1, 100);
  const workers = whole('WORKERS', WORKERS || '2', 0, 100);
  // What ends this command does not reach what it started: that has outlived it from the first.
  const broken = new AbortController();
  const breakOff = (): void => broken.abort(new Error('broken off; nothing was left running'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, breakOff);
  const cluster = await startCluster({ folder, port, gateways, workers, env, detached: true, signal: broken.signal });
  say('The cluster is up.', ...placesOf(cluster));
  return 0;
}

async function down(): Promise<number> {
  const state = loadState(folder);
  if (!state) {
    say('There is no cluster to stop.');
    return 0;
  }
  const killed = await stopCluster(folder, state);
  const names = killed.map((process) => process.name).join(', ');
  say(
    names === '' ? 'The cluster is down.' : `The cluster is down; ${names} did not end in time, and had to be killed.`,
  );
  return killed.length === 0 ? 0 : 1;
}

/** 0 only where all of it runs. */
function status(): number {
  const state = loadState(folder);
  say(...(state ? placesOf(state) : ['There is no cluster.']));
  return state && isWhole(state) ? 0 : 1;
}

/** The balancer is the last to be started. */
function isWhole({ processes }: ClusterState): boolean {
  return processes.every(isRunning) && processes.some(({ role }) => role === 'balancer');
}

function placesOf(state: ClusterState): string[] {
  const row = (what: string, where: string, remark = ''): string =>
    `  ${what.padEnd(12)}${where.padEnd(28)}${remark}`.trimEnd();
  const running = (process: ClusterProcess): string => (isRunning(process) ? `pid ${process.pid}` : 'has ended');
  return [
    row('clients', state.url, `${state.url.replace('http', 'ws')}/v1/ws`),
    row('statistics', state.statsUrl, 'of the balancer'),
    ...state.processes.map((process) => row(process.name, process.url, running(process))),
    row('logs', join(folder, 'logs')),
  ];
}

function whole(setting: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Error(`${setting} must be a whole number from ${least} to ${most}, and is ${text}`);
}

function say(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}
