import { arrived } from '../generator.ts';
import { cpuMicros } from '../processes.ts';
import type { ServerProcess } from '../processes.ts';
import { RunClient } from '../run-client.ts';
import type { FollowedRun } from '../run-client.ts';
import { RunCluster } from '../run-cluster.ts';
import { figuresOf, generatorFigure, generatorShare, inRounds } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const clients = 8;
/** Of one client, from the request to the last event: more in all than a worker has slots. */
const window = 32;
const input = 'four words of text';
/** queued, started, four chunks, completed. */
const eventsOfRun = 7;
const warmUpMs = 2000;
const fullMs = 4000;

export const runsRate: Scenario = {
  name: 'runs-rate',
  about: `runs of echo with four chunks each, followed to their end, ${clients * window} on their way from ${clients} connections, through one gateway and one worker`,
  figures: [
    { key: 'rate', what: 'runs', unit: '/s', digits: 0 },
    generatorFigure,
    { key: 'gateway', what: 'CPU per run, gateway', unit: 'µs', digits: 0 },
    { key: 'worker', what: 'CPU per run, worker', unit: 'µs', digits: 0 },
    { key: 'redis', what: 'CPU per run, Redis', unit: 'µs', digits: 0 },
  ],
  async run(options) {
    const cluster = await RunCluster.start(options);
    const worker = await cluster.worker();
    const crowd = await Promise.all(Array.from({ length: clients }, () => RunClient.open(cluster.gateway.port)));
    await round(cluster, worker, crowd, warmUpMs);
    const rounds = await inRounds(() => round(cluster, worker, crowd, fullMs));
    for (const client of crowd) client.close();
    await cluster.stop();
    return rounds;
  },
};

interface Work {
  readonly runs: number;
  readonly seconds: number;
  readonly generator: number;
  /** Microseconds of the gateway, the worker and Redis. */
  readonly spent: readonly [number, number, number];
}

async function round(
  cluster: RunCluster,
  worker: ServerProcess,
  crowd: readonly RunClient[],
  ms: number,
): Promise<Round> {
  const cpu = (): number[] => [cluster.gateway.pid, worker.pid, cluster.redisPid].map(cpuMicros);
  const before = cpu();
  const ownBefore = process.cpuUsage();
  const start = performance.now();
  const outcome = await full(crowd, ms);
  const seconds = (performance.now() - start) / 1000;
  const own = process.cpuUsage(ownBefore);
  const spent = cpu().map((after, i) => after - before[i]!) as [number, number, number];
  const work: Work | string =
    typeof outcome === 'string' ? outcome : { runs: outcome, seconds, spent, generator: own.user + own.system };
  return figuresOf<Work>(work, {
    rate: ({ runs }) => runs / seconds,
    generator: generatorShare,
    gateway: ({ runs, spent: [gateway] }) => gateway / runs,
    worker: ({ runs, spent: [, ofWorker] }) => ofWorker / runs,
    redis: ({ runs, spent: [, , redis] }) => redis / runs,
  });
}

/** A run that ends makes room for the next one, until the time is over; gives back how many there were, all of them ended. */
async function full(crowd: readonly RunClient[], ms: number): Promise<number | string> {
  let started = 0;
  let ended = 0;
  let fault: string | undefined;
  let going = true;
  const next = (client: RunClient): void => {
    started += 1;
    client.start('echo', input, (_kind, _at, run) => {
      if (run.end === undefined) return;
      ended += 1;
      fault ??= faultOf(run);
      if (going) next(client);
    });
  };
  for (const client of crowd) for (let i = 0; i < window; i++) next(client);
  await new Promise((resolve) => setTimeout(resolve, ms));
  going = false;
  await arrived(started, () => ended);
  fault ??= crowd.find((client) => client.fault !== undefined)?.fault;
  return fault ?? (ended === started ? ended : `${ended} of ${started} runs ended`);
}

function faultOf({ end, seq }: FollowedRun): string | undefined {
  return end === 'completed' && seq === eventsOfRun ? undefined : `a run ended ${end} after ${seq} events`;
}
