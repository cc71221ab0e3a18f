import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { options as optionTable } from '../../shared/config/options.ts';
import { balancerConfig } from './balancer-config.ts';
import { freePorts, isFree } from './ports.ts';
import { gatewaysUp, isReady, redisAnswers } from './probes.ts';
import { end } from './processes.ts';
import type { ClusterProcess } from './processes.ts';
import { Starter } from './starter.ts';
import { removeState } from './state.ts';
import type { ClusterState } from './state.ts';

export interface ClusterOptions {
  /** Made if it is not there. Holds the logs, the data of Redis, and what a later command needs to stop the cluster. */
  readonly folder: string;
  /** Where the balancer listens, on 127.0.0.1; a free one where none is named. */
  readonly port?: number;
  readonly gateways: number;
  readonly workers: number;
  /** Settings of gateways and workers; nothing else of the surroundings reaches them. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** It stays when the process that starts it ends; else it ends with it. */
  readonly detached?: boolean;
  /** Breaks off the start. */
  readonly signal?: AbortSignal;
}

export interface LocalCluster extends ClusterState {
  readonly gateways: readonly ClusterProcess[];
  readonly workers: readonly ClusterProcess[];
  /** In order, each of them waited for; resolves with those that had to be killed. */
  stop(): Promise<ClusterProcess[]>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What a process may take to end besides its drain. */
const endingMs = 20_000;
/**
 * The file of appends is all that is kept. With the snapshots that Redis takes by itself, one that failed, on a full disk
 * say, would stop every change.
 */
export const keptByRedis: readonly string[] = [
  '--appendonly',
  'yes',
  '--appendfsync',
  'everysec',
  '--save',
  '',
  '--maxmemory-policy',
  'noeviction',
];

/**
 * The cluster of docker-compose.yml as plain processes: Redis, gateways, workers, and HAProxy before the gateways.
 * Resolves when all of it is ready to serve; where that fails, nothing is left running.
 */
export async function startCluster(options: ClusterOptions): Promise<LocalCluster> {
  const { env = {}, detached = false, signal: broken } = options;
  const folder = resolve(options.folder);
  if (!existsSync(join(root, 'dist'))) throw new Error('there is nothing to start yet: run `make build` first');
  // HAProxy would share it with another HAProxy, and each of them would get some of the clients.
  if (options.port !== undefined && !(await isFree(options.port))) throw new Error(`port ${options.port} is taken`);
  for (const name of ['logs', 'redis']) mkdirSync(join(folder, name), { recursive: true });

  const [free = 0, statsPort = 0, redisPort = 0, ...ports] = await freePorts(3 + options.gateways + options.workers);
  const port = options.port ?? free;
  const [gatewayPorts, workerPorts] = [ports.slice(0, options.gateways), ports.slice(options.gateways)];
  const places = {
    url: `http://127.0.0.1:${port}`,
    statsUrl: `http://127.0.0.1:${statsPort}`,
    redisUrl: `redis://127.0.0.1:${redisPort}`,
    patienceMs: Number(env[optionTable.drainMs.env] || optionTable.drainMs.fallback) + endingMs,
  };
  const starter = new Starter({ folder, places, detached, broken });
  const stop = async (): Promise<ClusterProcess[]> => {
    const killed = await stopCluster(folder, starter.state);
    starter.letGo();
    return killed;
  };
  try {
    await startRedis(starter, redisPort, join(folder, 'redis'));
    const [gateways, workers] = await startServices(starter, gatewayPorts, workerPorts, env);
    const config = join(folder, 'haproxy.cfg');
    writeFileSync(config, balancerConfig({ clients: port, stats: statsPort, gateways: gatewayPorts }));
    await startBalancer(starter, config, gateways.length);
    return { ...starter.state, gateways, workers, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Workers first: what they still finish reaches its clients. Then the gateways, which need the balancer to take leave of
 * theirs; and Redis when nobody needs it any more. Resolves with those that had to be killed.
 */
export async function stopCluster(folder: string, state: ClusterState): Promise<ClusterProcess[]> {
  const killed: ClusterProcess[] = [];
  for (const role of ['worker', 'gateway', 'balancer', 'redis']) {
    const ending = state.processes.filter((process) => process.role === role);
    await Promise.all(
      ending.map(async (process) => {
        if (!(await end(process, state.patienceMs))) killed.push(process);
      }),
    );
  }
  removeState(folder);
  return killed;
}

async function startRedis(starter: Starter, port: number, folder: string): Promise<void> {
  const place = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder];
  const order = { command: 'redis-server', args: [...place, ...keptByRedis], url: starter.state.redisUrl, env: {} };
  const redis = await starter.start('redis', 'redis', order);
  await starter.becomesReady(redis, () => redisAnswers(port));
}

async function startServices(
  starter: Starter,
  gatewayPorts: readonly number[],
  workerPorts: readonly number[],
  settings: Readonly<Record<string, string | undefined>>,
): Promise<[gateways: ClusterProcess[], workers: ClusterProcess[]]> {
  const startAll = async (role: 'gateway' | 'worker', ports: readonly number[]): Promise<ClusterProcess[]> => {
    const started: ClusterProcess[] = [];
    for (const port of ports) {
      const env = { ...settings, HOST: '127.0.0.1', PORT: String(port), REDIS_URL: starter.state.redisUrl };
      const order = { command: process.execPath, args: shippedArgs(role), url: `http://127.0.0.1:${port}`, env };
      started.push(await starter.start(role, `${role}-${started.length + 1}`, order));
    }
    return started;
  };
  const gateways = await startAll('gateway', gatewayPorts);
  const workers = await startAll('worker', workerPorts);
  // All at once: most of a start is waiting, and loading the same files.
  await Promise.all([...gateways, ...workers].map((it) => starter.becomesReady(it, () => isReady(it.url))));
  return [gateways, workers];
}

async function startBalancer(starter: Starter, config: string, gateways: number): Promise<void> {
  const { url, statsUrl } = starter.state;
  const order = { command: 'haproxy', args: ['-db', '-f', config], url, env: {} };
  const balancer = await starter.start('balancer', 'haproxy', order);
  await starter.becomesReady(balancer, async () => (await gatewaysUp(statsUrl)) === gateways);
  await starter.becomesReady(balancer, () => isReady(url));
}

/** What package.json gives to Node, whose flags matter for speed; it is one simple command, here made to run anywhere. */
function shippedArgs(service: 'gateway' | 'worker'): string[] {
  const manifest = readFileSync(join(root, 'package.json'), 'utf8');
  const { scripts } = JSON.parse(manifest) as { scripts: Record<string, string> };
  const [, ...args] = (scripts[service] ?? '').split(' ');
  return args.map((arg) => (arg.startsWith('--') ? arg : join(root, arg)));
}
