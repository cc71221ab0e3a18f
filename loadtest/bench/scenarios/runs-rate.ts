import { arrived } from '../generator.ts';
import { cpuMicros } from '../processes.ts';
import { RunClient } from '../run-client.ts';
import type { FollowedRun } from '../run-client.ts';
import { agentwireRuns, bareRuns } from '../run-cluster.ts';
import type { RunTarget, StartRunTarget } from '../run-cluster.ts';
import type { TargetOptions } from '../targets.ts';
import { figuresOf, generatorFigure, generatorShare, inTurns } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const clients = 8;
/** Of one client, from the request to the last event: more in all than a worker has slots. */
const window = 32;
const input = 'four words of text';
/** started, four chunks, completed; ours say `queued` before. */
const eventsOfRun = 6;
const warmUpMs = 2000;
const fullMs = 4000;

export const runsRate: Scenario = {
  name: 'runs-rate',
  about: `runs of echo with four chunks each, followed to their end, ${clients * window} on their way from ${clients} connections, through one gateway and one worker; bare: BullMQ, uWebSockets.js and the plain append script`,
  figures: [
    { key: 'rate', what: 'runs', unit: '/s', digits: 0 },
    generatorFigure,
    { key: 'gateway', what: 'CPU per run, gateway', unit: 'µs', digits: 0 },
    { key: 'worker', what: 'CPU per run, worker', unit: 'µs', digits: 0 },
    { key: 'redis', what: 'CPU per run, Redis', unit: 'µs', digits: 0 },
  ],
  async run(options) {
    const ours = await Crowd.open(agentwireRuns, options);
    const bare = await Crowd.open(bareRuns, options);
    const rounds = await inTurns(
      () => ours.round(fullMs),
      () => bare.round(fullMs),
    );
    await ours.close();
    await bare.close();
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

class Crowd {
  readonly #target: RunTarget;
  readonly #clients: readonly RunClient[];

  private constructor(target: RunTarget, opened: readonly RunClient[]) {
    this.#target = target;
    this.#clients = opened;
  }

  static async open(start: StartRunTarget, options: TargetOptions): Promise<Crowd> {
    const target = await start(options);
    const { gateway, path } = target;
    const opening = Array.from({ length: clients }, () => RunClient.open(gateway.port, path));
    const crowd = new Crowd(target, await Promise.all(opening));
    await crowd.round(warmUpMs);
    return crowd;
  }

  async round(ms: number): Promise<Round> {
    const before = this.#cpu();
    const ownBefore = process.cpuUsage();
    const start = performance.now();
    const outcome = await this.#full(ms);
    const seconds = (performance.now() - start) / 1000;
    const own = process.cpuUsage(ownBefore);
    const spent = this.#cpu().map((after, i) => after - before[i]!) as [number, number, number];
    const work = { runs: Number(outcome), seconds, spent, generator: own.user + own.system };
    return figuresOf<Work>(typeof outcome === 'string' ? outcome : work, {
      rate: ({ runs }) => runs / seconds,
      generator: generatorShare,
      gateway: ({ runs, spent: [gateway] }) => gateway / runs,
      worker: ({ runs, spent: [, worker] }) => worker / runs,
      redis: ({ runs, spent: [, , redis] }) => redis / runs,
    });
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#target.stop();
  }

  /** A run that ends makes room for the next one, until the time is over; gives back how many there were, all of them ended. */
  async #full(ms: number): Promise<number | string> {
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
    for (const client of this.#clients) for (let i = 0; i < window; i++) next(client);
    await new Promise((resolve) => setTimeout(resolve, ms));
    going = false;
    await arrived(started, () => ended);
    fault ??= this.#clients.find((client) => client.fault !== undefined)?.fault;
    return fault ?? (ended === started ? ended : `${ended} of ${started} runs ended`);
  }

  #cpu(): number[] {
    const { gateway, worker, redisPid } = this.#target;
    return [gateway.pid, worker.pid, redisPid].map(cpuMicros);
  }
}

function faultOf({ end, seq }: FollowedRun): string | undefined {
  return end === 'completed' && seq >= eventsOfRun ? undefined : `a run ended ${end} after ${seq} events`;
}
