import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { startBalancer } from './balancer.ts';
import type { Balancer } from './balancer.ts';
import { startGatewayProcess, startWorkerProcess } from './gateway-process.ts';
import type { GatewayProcess, ServiceProcess } from './gateway-process.ts';
import { httpOf } from './in-process.ts';
import type { Http, HttpAnswer } from './in-process.ts';
import { startRedis } from './redis-server.ts';
import type { Store } from './stores.ts';

const agents = fileURLToPath(new URL('run-agents.ts', import.meta.url));
const patienceMs = 60_000;

export interface RunClusterOptions {
  workers?: number;
  env?: Record<string, string>;
  redis?: Pick<Store, 'url' | 'stop'>;
  /** Chooses what is cut. */
  random?: () => number;
}

/** Gateways and workers as users run them, on one Redis, with the agents of run-agents.ts. Gone at the end of the test. */
export class RunCluster {
  readonly redisUrl: string;
  readonly env: Record<string, string>;
  readonly gateways: GatewayProcess[];
  readonly workers: ServiceProcess[];
  /** Before the gateways; its connections can be cut. */
  readonly balancer: Balancer;
  /** Asks again, at whichever gateway, until there is an answer that is not `unavailable`. */
  readonly http: Http;

  constructor(
    redisUrl: string,
    env: Record<string, string>,
    gateways: GatewayProcess[],
    workers: ServiceProcess[],
    balancer: Balancer,
  ) {
    this.redisUrl = redisUrl;
    this.env = env;
    this.gateways = gateways;
    this.workers = workers;
    this.balancer = balancer;
    this.http = persistent(httpOf(`http://127.0.0.1:${balancer.port}`));
  }

  /** The new one takes its place first; resolves with the exit code of the old one. */
  async replaceGateway(index: number, how: 'kill' | 'stop'): Promise<unknown> {
    const old = this.gateways[index]!;
    const next = await startGatewayProcess(this.env);
    this.gateways[index] = next;
    this.balancer.targets.splice(this.balancer.targets.indexOf(old.port), 1, next.port);
    return old[how]();
  }

  async replaceWorker(index: number, how: 'kill' | 'stop'): Promise<unknown> {
    const old = this.workers[index]!;
    this.workers[index] = await startWorkerProcess(this.env);
    return old[how]();
  }

  /** A run of `agent`, which must say its process first, that is with this worker; others are cancelled. */
  async runOn(worker: ServiceProcess, agent = 'where'): Promise<string> {
    for (;;) {
      const { invocation } = await startRun(this.http, { agent, input: null, priority: 9 });
      const pid = await firstWord(this.http, invocation);
      if (pid === String(worker.pid)) return invocation;
      await this.http('POST', `/v1/runs/${invocation}/cancel`);
    }
  }
}

export async function startRunCluster(options: RunClusterOptions = {}): Promise<RunCluster> {
  const { workers = 2, random } = options;
  const redis = options.redis ?? (await startRedis());
  onTestFinished(() => redis.stop());
  const env = { ...withAgents, REDIS_URL: redis.url, ...options.env };
  const started = await Promise.all([1, 2].map(() => startGatewayProcess(env)));
  const working = await Promise.all(Array.from({ length: workers }, () => startWorkerProcess(env)));
  const balancer = await startBalancer(
    started.map(({ port }) => port),
    random,
  );
  return new RunCluster(redis.url, env, started, working, balancer);
}

const withAgents = { AGENTWIRE_AGENTS: agents, AGENTWIRE_DEFAULT_AGENT: 'echo', AGENTWIRE_CHAT_AGENT: 'echo' };

/** One process that does all of it, on the memory engine. */
export function startStandalone(): Promise<GatewayProcess> {
  return startGatewayProcess(withAgents, 'standalone');
}

/** For requests that may be made twice. */
function persistent(http: Http): Http {
  return async (method, path, body, headers) => {
    const until = performance.now() + patienceMs;
    for (;;) {
      const answer = await http(method, path, body, headers).catch((error: unknown) => error as Error);
      if (!(answer instanceof Error) && answer.status !== 503) return answer;
      if (performance.now() > until) throw new Error(`${method} ${path}: ${said(answer)}`);
      await sleep(50);
    }
  };
}

export async function startRun(
  http: Http,
  frame: { agent: string; input: unknown; [field: string]: unknown },
): Promise<{ invocation: string; duplicate?: boolean }> {
  const answer = await http('POST', '/v1/runs', { key: crypto.randomUUID(), ...frame });
  if (answer.status > 201) throw new Error(`the run was refused: ${answer.text}`);
  return answer.json();
}

async function firstWord(http: Http, invocation: string): Promise<string> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const answer = await http('GET', `/v1/topics/run.${invocation}/events`);
    const { events } = answer.json<{ events: { data: { kind: string; text?: string } }[] }>();
    const word = events.find(({ data }) => data.kind === 'chunk')?.data.text;
    if (word !== undefined) return word;
    if (performance.now() > until) throw new Error(`${invocation} says nothing: ${answer.text}`);
    await sleep(20);
  }
}

function said(answer: HttpAnswer | Error): string {
  return answer instanceof Error ? `${answer.message}: ${(answer.cause as Error | undefined)?.message}` : answer.text;
}
