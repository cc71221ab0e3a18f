import { arrived, Connection, openAll, steadily } from '../generator.ts';
import { cpuMicros } from '../processes.ts';
import { agentwire, eventBytes } from '../targets.ts';
import type { Target, TargetOptions } from '../targets.ts';
import { textFrame } from '../ws-frames.ts';
import { figuresOf, generatorFigure, generatorShare, inRounds, percentile } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const agents = 10_000;
const watchers = 100;
const gateways = 2;
/** What a machine of two cores that also runs the generator keeps up with, and what is asked for. */
const easyPerSecond = 2500;
const fullPerSecond = agents;
const steadyMs = 4000;
/** A first report is a commit of its own: as clients come after a restart, not as none would. */
const firstPerSecond = 2000;
const firstMs = (agents / firstPerSecond) * 1000;
const probeEveryMs = 20;
const probe = 'bench-probe';

export const agentStatus: Scenario = {
  name: 'agents',
  about: `${agents} agents, a connection each, report their status to ${watchers} pattern subscribers over ${gateways} gateways: every 4 s, and once a second, which is a million deliveries/s`,
  figures: [
    { key: 'first', what: 'CPU per first report, gateways and Redis', unit: 'µs', digits: 0 },
    { key: 'gateways', what: 'CPU per delivery, gateways, every 4 s', unit: 'µs', digits: 2 },
    { key: 'redis', what: '… CPU per report, Redis', unit: 'µs', digits: 1 },
    { key: 'p50', what: '… publish → one more subscriber, p50', unit: 'ms', digits: 1 },
    { key: 'p99', what: '… publish → one more subscriber, p99', unit: 'ms', digits: 1 },
    generatorFigure,
    { key: 'rate', what: 'deliveries, once a second', unit: 'k/s', digits: 0 },
    { key: 'refused', what: '… reports refused', unit: '%', digits: 1 },
    { key: 'offline', what: 'all connections end → all reported offline', unit: 'ms', digits: 0 },
  ],
  run: (options) => inRounds(() => round(options)),
};

async function round(options: TargetOptions): Promise<Round> {
  const target = await agentwire(gateways)(options);
  const field = await Field.open(target);
  const first = await field.drive(agents, () => steadily(firstPerSecond, firstMs, (n) => field.report(n)));
  const probing = field.probe();
  const easy = await field.drive((easyPerSecond * steadyMs) / 1000, () =>
    steadily(easyPerSecond, steadyMs, (n) => field.report(n)),
  );
  const took = await probing();
  const full = await field.overdrive();
  const offline = await field.drive(agents, () => field.end());
  await target.stop();
  return {
    ...figuresOf(first, { first: (used) => (used.gateways + used.redis) / agents }),
    ...figuresOf(easy, {
      gateways: (used) => used.gateways / used.delivered,
      redis: (used) => used.redis / used.reports,
      p50: () => percentile(took, 0.5),
      p99: () => percentile(took, 0.99),
      generator: generatorShare,
    }),
    ...full,
    ...figuresOf(offline, { offline: ({ seconds }) => seconds * 1000 }),
  };
}

interface Used {
  readonly reports: number;
  /** To all watchers. What one of them was too slow for is not among them. */
  readonly delivered: number;
  readonly seconds: number;
  /** Processor time in microseconds. */
  readonly gateways: number;
  readonly redis: number;
  readonly generator: number;
}

class Field {
  readonly #target: Target;
  readonly #agents: readonly Connection[];
  readonly #watchers: readonly Connection[];
  readonly #frames: readonly Buffer[];
  #next = 0;
  /** Notices that events were dropped, and how many these were. */
  #notices = 0;
  #missed = 0;

  private constructor(target: Target, crowd: readonly Connection[], watching: readonly Connection[]) {
    this.#target = target;
    this.#agents = crowd;
    this.#watchers = watching;
    this.#frames = crowd.map((_, i) => status(`a-${i}`));
    for (const { reader } of watching) reader.onHead = (head) => this.#look(head);
  }

  static async open(target: Target): Promise<Field> {
    const { nodes, path } = target;
    const join = (i: number): Promise<Connection> => Connection.open(nodes[i % gateways]!.port, path, eventBytes);
    const watching = await openAll(watchers, join);
    for (const watcher of watching) await watcher.ask(target.subscribe('agent.*.status'));
    return new Field(target, await openAll(agents, join), watching);
  }

  report(count: number): void {
    for (let i = 0; i < count; i++) {
      const agent = this.#next++ % agents;
      this.#agents[agent]!.send(this.#frames[agent]!);
    }
  }

  end(): Promise<void> {
    for (const agent of this.#agents) agent.close();
    return Promise.resolve();
  }

  /** Until each watcher has heard of all. A string says what went wrong. */
  async drive(reports: number, work: () => Promise<void>): Promise<Used | string> {
    const { nodes, redisPid = 0 } = this.#target;
    const heard = (): number => this.#heard() - this.#notices;
    const ofGateways = (): number => nodes.reduce((sum, { pid }) => sum + cpuMicros(pid), 0);
    [this.#notices, this.#missed] = [0, 0];
    const [heardBefore, refusedBefore, start] = [heard(), this.#refusals(), performance.now()];
    const [gatewaysBefore, redisBefore, own] = [ofGateways(), cpuMicros(redisPid), process.cpuUsage()];
    await work();
    const due = reports * watchers;
    await arrived(due, () => heard() - heardBefore + this.#missed);
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(own);
    const refused = this.#refusals() - refusedBefore;
    if (refused > 0) return `${refused} reports were refused`;
    const delivered = heard() - heardBefore;
    if (delivered + this.#missed !== due) return `${delivered} deliveries where ${due} were due`;
    return {
      reports,
      delivered,
      seconds,
      gateways: ofGateways() - gatewaysBefore,
      redis: cpuMicros(redisPid) - redisBefore,
      generator: user + system,
    };
  }

  /** All that is asked for, whatever becomes of it: what came while it was asked for, and what was refused. */
  async overdrive(): Promise<Round> {
    const reports = (fullPerSecond * steadyMs) / 1000;
    const [heardBefore, refusedBefore] = [this.#heard(), this.#refusals()];
    await steadily(fullPerSecond, steadyMs, (n) => this.report(n));
    const rate = (this.#heard() - heardBefore) / steadyMs;
    await arrived(Number.POSITIVE_INFINITY, () => this.#heard());
    return { rate, refused: (100 * (this.#refusals() - refusedBefore)) / reports };
  }

  #heard(): number {
    return this.#watchers.reduce((sum, { reader }) => sum + reader.frames, 0);
  }

  /** What is sent without an id is answered only where it is refused. */
  #refusals(): number {
    return this.#agents.reduce((sum, { reader }) => sum + reader.frames, 0);
  }

  #look(head: Buffer): void {
    // The `d` of `{"type":"dropped"`: this is looked at a million times a second.
    if (head[9] !== 0x64) return;
    this.#notices += 1;
    this.#missed += Number(/"count":(\d+)/.exec(head.toString('latin1'))?.[1] ?? 0);
  }

  /** Another agent at one gateway and its watcher at the other, beside all that; what is given back ends it with what each took. */
  probe(): () => Promise<number[]> {
    let over = false;
    const work = this.#probe(() => over);
    return async () => {
      over = true;
      return (await work).sort((a, b) => a - b);
    };
  }

  async #probe(over: () => boolean): Promise<number[]> {
    const { nodes, path } = this.#target;
    const sender = await Connection.open(nodes[0]!.port, path, eventBytes);
    const hearer = await Connection.open(nodes[1]!.port, path, eventBytes);
    const topic = `bench.${probe}`;
    await hearer.ask(this.#target.subscribe('bench.*'));
    const frame = textFrame(`{"type":"publish","topic":"${topic}","data":${statusData(probe)}}`);
    const took: number[] = [];
    while (!over()) {
      const before = hearer.reader.frames;
      const start = performance.now();
      sender.send(frame);
      await arrived(before + 1, () => hearer.reader.frames);
      took.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, probeEveryMs));
    }
    for (const each of [sender, hearer]) each.close();
    return took;
  }
}

function statusData(agentId: string): string {
  return JSON.stringify({ agentId, status: 'busy', timestamp: 1_790_000_000_000, note: 'x'.repeat(60) });
}

function status(agentId: string): Buffer {
  return textFrame(`{"type":"publish","topic":"agent.${agentId}.status","data":${statusData(agentId)}}`);
}
