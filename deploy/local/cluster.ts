import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { options as settings } from '../../shared/config/options.ts';
import { balancerConfig, gatewaysUp } from './balancer.ts';
import { freePorts, isFree } from './ports.ts';
import { becomesReady, end, launch, signal } from './processes.ts';
import type { ClusterProcess, LaunchOrder, Role } from './processes.ts';
import { removeState, saveState } from './state.ts';
import type { ClusterState } from './state.ts';

export interface ClusterOptions {
  /** Made if it is not there. Holds the logs, the data of Redis, and what `stopCluster` needs. */
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

export interface LocalCluster {
  /** Of the balancer, over http; a WebSocket has the same host and port. */
  readonly url: string;
  /** The balancer's statistics and metrics. */
  readonly statsUrl: string;
  readonly redisUrl: string;
  readonly gateways: readonly ClusterProcess[];
  readonly workers: readonly ClusterProcess[];
  readonly processes: readonly ClusterProcess[];
  /** In order, each of them waited for; those that had to be killed. */
  stop(): Promise<ClusterProcess[]>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What a process may take to end besides its drain. */
const endingMs = 20_000;

/**
 * The cluster of docker-compose.yml as plain processes: Redis, gateways, workers, and HAProxy before the gateways.
 * Resolves when all of it is ready to serve; where that fails, nothing is left running.
 */
export async function startCluster(options: ClusterOptions): Promise<LocalCluster> {
  const { gateways, workers, env = {}, detached = false, signal: broken } = options;
  const folder = resolve(options.folder);
  if (!existsSync(join(root, 'dist'))) throw new Error('there is nothing to start yet: run `make build` first');
  if (options.port !== undefined && !(await isFree(options.port))) {
    throw new Error(`port ${options.port} is taken`);
  }
  for (const name of ['logs', 'redis']) mkdirSync(join(folder, name), { recursive: true });

  const [redisPort = 0, statsPort = 0, freePort = 0, ...servicePorts] = await freePorts(3 + gateways + workers);
  const clientsPort = options.port ?? freePort;
  const gatewayPorts = servicePorts.slice(0, gateways);
  const processes: ClusterProcess[] = [];
  const redisUrl = `redis://127.0.0.1:${redisPort}`;
  const state: ClusterState = {
    url: `http://127.0.0.1:${clientsPort}`,
    statsUrl: `http://127.0.0.1:${statsPort}`,
    redisUrl,
    patienceMs: Number(env[settings.drainMs.env] || settings.drainMs.fallback) + endingMs,
    processes,
  };
  const abandoned = (): void => processes.forEach((process) => signal(process, 'SIGKILL'));
  if (!detached) process.once('exit', abandoned);
  const stop = async (): Promise<ClusterProcess[]> => {
    const killed = await stopCluster(folder, state);
    process.off('exit', abandoned);
    return killed;
  };

  const start = async (role: Role, name: string, order: Pick<LaunchOrder, 'command' | 'args' | 'url' | 'env'>) => {
    broken?.throwIfAborted();
    const log = join(folder, 'logs', `${name}.log`);
    const started = await launch({ role, name, log, detached, ...order, env: { PATH: searchPath(), ...order.env } });
    processes.push(started);
    // After each of them, so that one who breaks off the start can still stop what there is.
    saveState(folder, state);
    return started;
  };
  const ready = (process: ClusterProcess, condition: () => Promise<boolean>): Promise<void> =>
    becomesReady(process, condition, broken);
  const startService = (role: 'gateway' | 'worker', name: string, port: number): Promise<ClusterProcess> => {
    const own = { HOST: '127.0.0.1', PORT: String(port), REDIS_URL: redisUrl };
    return start(role, name, { ...shipped(role), url: `http://127.0.0.1:${port}`, env: { ...env, ...own } });
  };

  try {
    const data = ['--dir', join(folder, 'redis'), '--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''];
    const redis = await start('redis', 'redis', {
      command: 'redis-server',
      args: ['--bind', '127.0.0.1', '--port', String(redisPort), ...data, '--maxmemory-policy', 'noeviction'],
      url: redisUrl,
      env: {},
    });
    await ready(redis, () => redisAnswers(redisPort));

    for (const [i, port] of servicePorts.entries()) {
      if (i < gateways) await startService('gateway', `gateway-${i + 1}`, port);
      else await startService('worker', `worker-${i + 1 - gateways}`, port);
    }
    const services = processes.filter(({ role }) => role === 'gateway' || role === 'worker');
    await Promise.all(services.map((service) => ready(service, () => isReady(service.url))));

    const config = join(folder, 'haproxy.cfg');
    writeFileSync(config, balancerConfig({ clients: clientsPort, stats: statsPort, gateways: gatewayPorts }));
    const order = { command: 'haproxy', args: ['-db', '-f', config], url: state.url, env: {} };
    const balancer = await start('balancer', 'haproxy', order);
    await ready(balancer, async () => (await gatewaysUp(state.statsUrl)) === gateways);
    await ready(balancer, () => isReady(state.url));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ...state,
    gateways: processes.filter(({ role }) => role === 'gateway'),
    workers: processes.filter(({ role }) => role === 'worker'),
    stop,
  };
}

/**
 * Workers first: what they still finish reaches clients through the gateways. Then the gateways, which tell their
 * clients through the balancer; and Redis when nobody needs it any more. Returns those that had to be killed.
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

/** The command of package.json, which is one simple command, run from anywhere. */
function shipped(service: 'gateway' | 'worker'): { command: string; args: string[] } {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const [, ...words] = (scripts[service] ?? '').split(' ');
  // Every package script starts with `node`; here it is the one that runs already.
  return { command: process.execPath, args: words.map((word) => (word.startsWith('dist/') ? join(root, word) : word)) };
}

/** Debian has haproxy where only root's PATH leads. */
function searchPath(): string {
  return `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin`;
}

async function isReady(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/readyz`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(1000) });
  return answer.ok;
}

/** Also false while it still reads its file. */
function redisAnswers(port: number): Promise<boolean> {
  return new Promise((answered) => {
    const socket = connect(port, '127.0.0.1', () => void socket.write('PING\r\n'));
    socket.setTimeout(1000, () => socket.destroy());
    socket.once('data', (reply) => {
      answered(reply.toString() === '+PONG\r\n');
      socket.destroy();
    });
    socket.once('error', () => answered(false)).once('close', () => answered(false));
  });
}
