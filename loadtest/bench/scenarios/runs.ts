import { arrived } from '../generator.ts';
import { RunClient } from '../run-client.ts';
import { agentwireRuns, bareRuns } from '../run-cluster.ts';
import type { RunTarget, StartRunTarget } from '../run-cluster.ts';
import type { TargetOptions } from '../targets.ts';
import { inTurns, percentile } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const warmUp = 300;
const count = 1000;
const oneWord = 'word';
/** Agents in the middle of something long: between a chunk and the next one. */
const busy = [
  { agent: 'echo', input: { text: 'two words', delayMs: 600_000 } },
  { agent: 'countdown', input: { from: 10, intervalMs: 600_000 } },
] as const;

export const runs: Scenario = {
  name: 'runs',
  about: `${count} runs one after the other through a gateway, Redis and a worker, and as many that are cancelled while they wait for their next chunk; bare: BullMQ, uWebSockets.js and the plain append script`,
  figures: [
    { key: 'first50', what: 'run → first chunk, p50', unit: 'ms', digits: 2, target: { of: 'figure', most: 5 } },
    { key: 'first99', what: 'run → first chunk, p99', unit: 'ms', digits: 2, target: { of: 'figure', most: 25 } },
    { key: 'cancel50', what: 'cancel → terminal event, p50', unit: 'ms', digits: 2, target: { of: 'figure', most: 5 } },
    {
      key: 'cancel99',
      what: 'cancel → terminal event, p99',
      unit: 'ms',
      digits: 2,
      target: { of: 'figure', most: 25 },
    },
  ],
  async run(options) {
    const ours = await Timed.open(agentwireRuns, options);
    const bare = await Timed.open(bareRuns, options);
    const rounds = await inTurns(
      () => ours.round(count),
      () => bare.round(count),
    );
    await ours.close();
    await bare.close();
    return rounds;
  },
};

class Timed {
  readonly #target: RunTarget;
  readonly #client: RunClient;

  private constructor(target: RunTarget, client: RunClient) {
    this.#target = target;
    this.#client = client;
  }

  static async open(start: StartRunTarget, options: TargetOptions): Promise<Timed> {
    const target = await start(options);
    const timed = new Timed(target, await RunClient.open(target.gateway.port, target.path));
    await timed.round(warmUp);
    return timed;
  }

  async round(times: number): Promise<Round> {
    return {
      ...(await timed(this.#client, 'first', times, () => firstChunk(this.#client))),
      ...(await timed(this.#client, 'cancel', times, (index) => cancelled(this.#client, index))),
    };
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#target.stop();
  }
}

/** One after the other; the next one when nothing of the last is to come any more. */
async function timed(
  client: RunClient,
  key: string,
  times: number,
  work: (index: number) => Promise<number | undefined>,
): Promise<Round> {
  const took: number[] = [];
  for (let i = 0; i < times && client.fault === undefined; i++) {
    const ms = await work(i);
    if (ms !== undefined) took.push(ms);
  }
  const lost = took.length === times ? undefined : `${took.length} of ${times} runs went as they should`;
  const fault = client.fault ?? lost;
  took.sort((a, b) => a - b);
  return { [`${key}50`]: fault ?? percentile(took, 0.5), [`${key}99`]: fault ?? percentile(took, 0.99) };
}

async function firstChunk(client: RunClient): Promise<number | undefined> {
  let took: number | undefined;
  const ended = client.ended;
  const sentAt = performance.now();
  const run = client.start('echo', oneWord, (kind, at) => {
    if (kind === 'chunk') took ??= at - sentAt;
  });
  await arrived(ended + 1, () => client.ended);
  return run.end === 'completed' ? took : undefined;
}

async function cancelled(client: RunClient, index: number): Promise<number | undefined> {
  let sentAt = 0;
  let endedAt = 0;
  const ended = client.ended;
  const { agent, input } = busy[index % busy.length]!;
  const run = client.start(agent, input, (kind, at) => {
    if (kind === 'chunk') {
      sentAt = performance.now();
      client.cancel(run);
    } else {
      endedAt = at;
    }
  });
  await arrived(ended + 1, () => client.ended);
  return run.end === 'cancelled' ? endedAt - sentAt : undefined;
}
