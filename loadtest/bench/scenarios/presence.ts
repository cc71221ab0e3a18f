import { setTimeout as sleep } from 'node:timers/promises';
import { arrived, Connection, openAll } from '../generator.ts';
import { cpuMicros } from '../processes.ts';
import { agentwire, eventBytes } from '../targets.ts';
import type { Target, TargetOptions } from '../targets.ts';
import { textFrame } from '../ws-frames.ts';
import { inRounds, percentile } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const members = 10_000;
const gateways = 2;
const topic = 'bench.room';
const enter = textFrame(`{"type":"subscribe","id":1,"topics":["${topic}"],"presence":true}`);
const who = textFrame(`{"type":"presence","id":1,"topic":"${topic}"}`);
/** Of a whole number of beats, which are 2 s apart. */
const quietMs = 8000;
const answers = 7;
/** A gateway lists so many members every 600 ms at most, and whoever asks in between waits. */
const betweenMs = 800;

export const presence: Scenario = {
  name: 'presence',
  about: `a topic with ${members} members, a connection each, over ${gateways} gateways, watched on both: all come at once, stay, and go at once`,
  figures: [
    { key: 'join', what: 'all join, until both watchers know', unit: 'ms', digits: 0 },
    { key: 'joinGateways', what: '… CPU per join, gateways', unit: 'µs', digits: 0 },
    { key: 'joinRedis', what: '… CPU per join, Redis', unit: 'µs', digits: 0 },
    { key: 'renewGateways', what: 'renewals, of a core, gateways', unit: '%', digits: 1 },
    { key: 'renewRedis', what: '… Redis', unit: '%', digits: 1 },
    { key: 'answer', what: 'presence → all named, median', unit: 'ms', digits: 1 },
    { key: 'answerRedis', what: '… CPU per answer, Redis', unit: 'ms', digits: 1 },
    { key: 'leave', what: 'all leave, until both watchers know', unit: 'ms', digits: 0 },
  ],
  run: (options) => inRounds(() => round(options)),
};

async function round(options: TargetOptions): Promise<Round> {
  const target = await agentwire(gateways)(options);
  const { nodes, path } = target;
  const join = (i: number): Promise<Connection> => Connection.open(nodes[i % gateways]!.port, path, eventBytes);
  const watchers = await openAll(gateways, join);
  for (const watcher of watchers) await watcher.ask(target.subscribe(`$presence.${topic}`));
  const crowd = await openAll(members, join);
  const came = (of: readonly Connection[]): number => of.reduce((sum, { reader }) => sum + reader.frames, 0);
  // A watcher that falls far behind is told how many it missed.
  let missed = 0;
  for (const { reader } of watchers) {
    reader.onHead = (head) => {
      const count = /"type":"dropped".*"count":(\d+)/.exec(head.toString('latin1'))?.[1];
      if (count !== undefined) missed += Number(count) - 1;
    };
  }
  const greeted = came(watchers);
  const told = (): number => came(watchers) - greeted + missed;

  const before = await quiet(target);
  const joining = await spent(target, async () => {
    for (const each of crowd) each.send(enter);
    await arrived(members, () => came(crowd));
    await arrived(members * gateways, told);
  });
  const whole = came(crowd) === members && told() === members * gateways;
  const during = await quiet(target);
  const took: number[] = [];
  const asker = await join(0);
  const asking = await spent(target, async () => {
    for (let i = 0; i < answers; i++) {
      await sleep(betweenMs);
      const start = performance.now();
      await asker.ask(who);
      took.push(performance.now() - start);
    }
  });
  const leaving = await spent(target, async () => {
    for (const each of crowd) each.close();
    await arrived(2 * members * gateways, told);
  });
  const left = told() === 2 * members * gateways;
  for (const each of [...watchers, asker]) each.close();
  await target.stop();
  if (!whole || !left) return { join: `${told()} changes told where ${2 * members * gateways} were due` };
  const share = (micros: number): number => Math.max(0, micros) / quietMs / 10;
  return {
    join: joining.ms,
    joinGateways: joining.gateways / members,
    joinRedis: joining.redis / members,
    renewGateways: share(during.gateways - before.gateways),
    renewRedis: share(during.redis - before.redis),
    answer: percentile(
      took.sort((a, b) => a - b),
      0.5,
    ),
    // Without the renewals that went on beside it.
    answerRedis: (asking.redis - (during.redis * asking.ms) / quietMs) / answers / 1000,
    leave: leaving.ms,
  };
}

/** Processor time in microseconds. */
interface Spent {
  readonly ms: number;
  readonly gateways: number;
  readonly redis: number;
}

async function spent({ nodes, redisPid = 0 }: Target, work: () => Promise<void>): Promise<Spent> {
  const ofGateways = (): number => nodes.reduce((sum, { pid }) => sum + cpuMicros(pid), 0);
  const [gatewaysBefore, redisBefore, start] = [ofGateways(), cpuMicros(redisPid), performance.now()];
  await work();
  const ms = performance.now() - start;
  return { ms, gateways: ofGateways() - gatewaysBefore, redis: cpuMicros(redisPid) - redisBefore };
}

/** What the connections cost while nobody does anything. */
function quiet(target: Target): Promise<Spent> {
  return spent(target, () => sleep(quietMs));
}
