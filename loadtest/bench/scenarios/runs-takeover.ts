import { setTimeout as sleep } from 'node:timers/promises';
import { RunClient } from '../run-client.ts';
import type { FollowedRun } from '../run-client.ts';
import { RunCluster } from '../run-cluster.ts';
import type { TargetOptions } from '../targets.ts';
import type { Sample, Scenario } from './scenario.ts';

const kills = 20;
/**
 * In one cluster. Who takes over is the one worker that is left, as in a cluster of two; the dead ones do nothing for
 * each other. Killed one after the other, each finds the checks of that worker at another moment.
 */
const atOnce = 5;
const betweenKillsMs = 400;
const input = { from: 1_000_000, intervalMs: 100 };
const patienceMs = 30_000;
const lookMs = 10;

export const runsTakeover: Scenario = {
  name: 'runs-takeover',
  about: `SIGKILL of ${kills} workers in the middle of a run each, ${atOnce} to a cluster that has one worker more`,
  figures: [
    { key: 'took', what: `until the run is started elsewhere, ${kills} kills`, unit: 's', digits: 2 },
    { key: 'longest', what: '… the longest', unit: 's', digits: 2, target: { of: 'figure', most: 10 } },
  ],
  async run(options) {
    const samples: Sample[] = [];
    while (samples.length < kills) samples.push(...(await killSome(options)));
    const fault = samples.find((sample) => typeof sample === 'string');
    const longest = fault ?? Math.max(...samples.filter((sample) => typeof sample === 'number'));
    return { agentwire: [{ longest }, ...samples.map((took) => ({ took }))], bare: [] };
  },
};

interface Victim {
  readonly pid: number;
  readonly run: FollowedRun;
  killedAt: number;
  takenOverAt: number;
}

async function killSome(options: TargetOptions): Promise<Sample[]> {
  const cluster = await RunCluster.start(options);
  const client = await RunClient.open(cluster.gateway.port);
  const victims: Victim[] = [];
  for (let i = 0; i < atOnce; i++) victims.push(await victim(cluster, client));
  await cluster.worker();
  for (const one of victims) {
    one.killedAt = performance.now();
    process.kill(one.pid, 'SIGKILL');
    await sleep(betweenKillsMs);
  }
  await until(() => victims.every(({ takenOverAt }) => takenOverAt > 0));
  for (const { run } of victims) client.cancel(run);
  await until(() => client.ended === atOnce);
  client.close();
  await cluster.stop();
  return victims.map(({ run, killedAt, takenOverAt }) => {
    if (client.fault !== undefined) return client.fault;
    if (takenOverAt === 0 || run.end !== 'cancelled') return 'a run whose worker was killed did not go on';
    return (takenOverAt - killedAt) / 1000;
  });
}

/** With one slot, so that the run which is started next is its own: all workers before it have theirs. */
async function victim(cluster: RunCluster, client: RunClient): Promise<Victim> {
  const { pid } = await cluster.worker({ AGENTWIRE_WORKER_CONCURRENCY: '1' });
  let underWay = false;
  const run = client.start('countdown', input, (kind, at) => {
    if (kind === 'chunk') underWay = true;
    if (kind === 'started' && run.attempt > 1) one.takenOverAt ||= at;
  });
  const one: Victim = { pid, run, killedAt: 0, takenOverAt: 0 };
  await until(() => underWay);
  return one;
}

async function until(reached: () => boolean): Promise<void> {
  const start = performance.now();
  while (!reached() && performance.now() - start < patienceMs) await sleep(lookMs);
}
