import { setTimeout as sleep } from 'node:timers/promises';
import { arrived } from '../generator.ts';
import { cpuMicros, residentBytes } from '../processes.ts';
import type { ServerProcess } from '../processes.ts';
import { RunClient } from '../run-client.ts';
import type { FollowedRun } from '../run-client.ts';
import { RunCluster } from '../run-cluster.ts';
import type { TargetOptions } from '../targets.ts';
import { figuresOf, inRounds } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const clients = 10;
const runs = 1000;
/** Begun before the first reading, so that what a process needs once is not counted. */
const first = 100;
/** No tick of theirs falls into the measurement. */
const input = { from: 10, intervalMs: 600_000 };
const settleMs = 300;
const heldMs = 4000;

export const runsCrowd: Scenario = {
  name: 'runs-crowd',
  about: `${runs} runs of countdown at the same time on one worker, each followed by whoever started it`,
  figures: [
    { key: 'worker', what: 'memory per run, worker', unit: 'KB', digits: 1 },
    { key: 'gateway', what: 'memory per run, gateway', unit: 'KB', digits: 1 },
    { key: 'redis', what: 'memory per run, Redis', unit: 'KB', digits: 1 },
    { key: 'running', what: 'from the first request until all run', unit: 'ms', digits: 0 },
    { key: 'held', what: 'CPU while they wait, all processes, of a core', unit: '%', digits: 1 },
    { key: 'cancelled', what: 'from the first cancel until all have ended', unit: 'ms', digits: 0 },
  ],
  run: (options) => inRounds(() => round(options)),
};

interface Memory {
  readonly worker: number;
  readonly gateway: number;
  readonly redis: number;
}

/** Processes of its own for each reading: a second one would find the pages that the first had left. */
async function round(options: TargetOptions): Promise<Round> {
  const cluster = await RunCluster.start(options);
  const worker = await cluster.worker({ AGENTWIRE_WORKER_CONCURRENCY: String(first + runs) });
  const crowd = await Crowd.open(cluster.gateway.port);
  await crowd.start(first);
  const before = await memory(cluster, worker);
  const running = await crowd.start(runs);
  const after = await memory(cluster, worker);
  const held = await shareOfCore(cluster, worker);
  const cancelled = await crowd.cancelAll();
  const { fault } = crowd;
  crowd.close();
  await cluster.stop();
  const perRun = (of: keyof Memory) => (): number => (after[of] - before[of]) / runs / 1000;
  return figuresOf(fault ?? {}, {
    worker: perRun('worker'),
    gateway: perRun('gateway'),
    redis: perRun('redis'),
    running: () => running,
    held: () => held,
    cancelled: () => cancelled,
  });
}

async function memory({ gateway, redisPid }: RunCluster, worker: ServerProcess): Promise<Memory> {
  const collect = (): Promise<unknown> => Promise.all([gateway.collect(), worker.collect()]);
  // The second collection takes what the finalisers of the first set free.
  await collect();
  await sleep(settleMs);
  await collect();
  return {
    worker: residentBytes(worker.pid),
    gateway: residentBytes(gateway.pid),
    redis: residentBytes(redisPid),
  };
}

/** In percent, of all processes together. */
async function shareOfCore({ gateway, redisPid }: RunCluster, worker: ServerProcess): Promise<number> {
  const spent = (): number => [gateway.pid, worker.pid, redisPid].reduce((sum, pid) => sum + cpuMicros(pid), 0);
  const before = spent();
  await sleep(heldMs);
  return (spent() - before) / heldMs / 10;
}

class Crowd {
  readonly #clients: readonly RunClient[];
  readonly #runs: { readonly client: RunClient; readonly run: FollowedRun }[] = [];
  /** Have brought their first chunk. */
  #running = 0;
  #ended = 0;

  private constructor(opened: readonly RunClient[]) {
    this.#clients = opened;
  }

  static async open(port: number): Promise<Crowd> {
    return new Crowd(await Promise.all(Array.from({ length: clients }, () => RunClient.open(port))));
  }

  /** How long it took until so many more were running, in milliseconds. */
  async start(count: number): Promise<number> {
    const due = this.#running + count;
    const from = performance.now();
    let at = from;
    for (let i = 0; i < count; i++) {
      const client = this.#clients[i % clients]!;
      const run = client.start('countdown', input, (kind, cameAt) => {
        if (kind === 'chunk') this.#running += 1;
        if (kind === 'cancelled') this.#ended += 1;
        at = cameAt;
      });
      this.#runs.push({ client, run });
    }
    await arrived(due, () => this.#running);
    return at - from;
  }

  async cancelAll(): Promise<number> {
    const from = performance.now();
    for (const { client, run } of this.#runs) client.cancel(run);
    await arrived(this.#runs.length, () => this.#ended);
    return performance.now() - from;
  }

  get fault(): string | undefined {
    const wrong = this.#clients.find(({ fault }) => fault !== undefined)?.fault;
    const due = this.#runs.length;
    if (this.#running !== due) return wrong ?? `${this.#running} of ${due} runs ran at the same time`;
    return wrong ?? (this.#ended === due ? undefined : `${this.#ended} of ${due} runs were cancelled`);
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}
