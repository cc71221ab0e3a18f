import { arrived, Connection, openAll } from '../generator.ts';
import { cpuMicros } from '../processes.ts';
import { agentwire, eventBytes } from '../targets.ts';
import type { Target, TargetOptions } from '../targets.ts';
import { textFrame } from '../ws-frames.ts';
import { figuresOf, generatorFigure, generatorShare, inRounds, percentile } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const voters = 1000;
const gateways = 2;
const swarm = 'bench';
const names = Array.from({ length: voters }, (_, i) => `voter-${i}`);
const warmUp = 3;
/** Of one kind in a round. */
const counted = 9;

/** Both are decided by the last vote, so that each counts. */
const kinds = {
  open: { quorum: voters, threshold: 0.5 },
  /** With a threshold that the last abstention may still undo. Each answer carries their names. */
  asked: { voters: names, threshold: 0.999 },
};
type Kind = keyof typeof kinds;
const optionOf = (index: number): string => (index % 2 === 0 ? 'yes' : 'abstain');

export const swarms: Scenario = {
  name: 'swarm',
  about: `${voters} voters, a connection each, over ${gateways} gateways, on one proposal at once, until both tell of the consensus: with a quorum of all of them, and with all of them named`,
  figures: [
    { key: 'open', what: 'first vote → consensus, a quorum of 1,000', unit: 'ms', digits: 0 },
    { key: 'openRate', what: '… votes answered', unit: '/s', digits: 0 },
    generatorFigure,
    { key: 'gateways', what: '… CPU per vote, gateways', unit: 'µs', digits: 0 },
    { key: 'redis', what: '… CPU per vote, Redis', unit: 'µs', digits: 0 },
    { key: 'asked', what: 'first vote → consensus, 1,000 voters named', unit: 'ms', digits: 0 },
    { key: 'askedRate', what: '… votes answered', unit: '/s', digits: 0 },
  ],
  run: (options) => inRounds(() => round(options)),
};

async function round(options: TargetOptions): Promise<Round> {
  const target = await agentwire(gateways)(options);
  const crowd = await Crowd.open(target);
  await crowd.decide('open', warmUp);
  const open = await crowd.decide('open', counted);
  await crowd.decide('asked', warmUp);
  const asked = await crowd.decide('asked', counted);
  crowd.close();
  await target.stop();
  const votes = voters * counted;
  return {
    ...figuresOf(open, {
      open: ({ took }) => took,
      openRate: ({ seconds }) => votes / seconds,
      generator: generatorShare,
      gateways: (spent) => spent.gateways / votes,
      redis: (spent) => spent.redis / votes,
    }),
    ...figuresOf(asked, { asked: ({ took }) => took, askedRate: ({ seconds }) => votes / seconds }),
  };
}

/** Processor time in microseconds. */
interface Spent {
  /** Milliseconds until the consensus, the median. */
  readonly took: number;
  /** Until all were answered, summed up. */
  readonly seconds: number;
  readonly gateways: number;
  readonly redis: number;
  readonly generator: number;
}

class Crowd {
  readonly #target: Target;
  readonly #voters: readonly Connection[];
  readonly #watchers: readonly Connection[];
  #answers = 0;
  #answeredAt = 0;
  #fault: string | undefined;
  #proposals = 0;

  private constructor(target: Target, crowd: readonly Connection[], watchers: readonly Connection[]) {
    this.#target = target;
    this.#voters = crowd;
    this.#watchers = watchers;
    for (const voter of crowd) {
      voter.onFrames = (some) => {
        this.#answers += some;
        this.#answeredAt = performance.now();
      };
      voter.reader.onHead = (head) => {
        const text = head.toString('latin1');
        if (!text.startsWith('{"type":"ok"')) this.#fault ??= text;
      };
    }
  }

  static async open(target: Target): Promise<Crowd> {
    const { nodes, path } = target;
    const join = (i: number): Promise<Connection> => Connection.open(nodes[i % gateways]!.port, path, eventBytes);
    const watchers = await openAll(gateways, join);
    for (const watcher of watchers) await watcher.ask(target.subscribe(`swarm.${swarm}.consensus`));
    return new Crowd(target, await openAll(voters, join), watchers);
  }

  /** One proposal after the other. A string says what went wrong. */
  async decide(kind: Kind, count: number): Promise<Spent | string> {
    const { nodes, redisPid = 0 } = this.#target;
    const gatewaysCpu = (): number => nodes.reduce((sum, { pid }) => sum + cpuMicros(pid), 0);
    const took: number[] = [];
    let [seconds, ofGateways, ofRedis, generator] = [0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const proposal = await this.#propose(kind);
      const frames = names.map((voter, index) => ballot(proposal, voter, optionOf(index)));
      const before = [gatewaysCpu(), cpuMicros(redisPid)] as const;
      const ownBefore = process.cpuUsage();
      const { consensus, answered } = await this.#vote(frames);
      const own = process.cpuUsage(ownBefore);
      took.push(consensus);
      seconds += answered / 1000;
      ofGateways += gatewaysCpu() - before[0];
      ofRedis += cpuMicros(redisPid) - before[1];
      generator += own.user + own.system;
      this.#fault ??= await this.#faultIn(proposal);
    }
    took.sort((a, b) => a - b);
    return this.#fault ?? { took: percentile(took, 0.5), seconds, gateways: ofGateways, redis: ofRedis, generator };
  }

  close(): void {
    for (const connection of [...this.#voters, ...this.#watchers]) connection.close();
  }

  async #propose(kind: Kind): Promise<string> {
    this.#proposals += 1;
    const proposal = `p-${this.#proposals}`;
    const body = JSON.stringify({ proposal, title: kind, options: ['yes', 'no', 'abstain'], ...kinds[kind] });
    const { status } = await fetch(this.#urlOf(`/v1/swarms/${swarm}/proposals`), { method: 'POST', body });
    if (status !== 201) throw new Error(`a proposal was refused with ${status}`);
    return proposal;
  }

  /** All at once. In milliseconds from the first: when both gateways told of the consensus, and when all were answered. */
  async #vote(frames: readonly Buffer[]): Promise<{ consensus: number; answered: number }> {
    let [consensus, told] = [0, 0];
    this.#answers = 0;
    const start = performance.now();
    for (const watcher of this.#watchers) {
      watcher.onFrames = (some) => {
        told += some;
        consensus = performance.now() - start;
      };
    }
    for (const [i, frame] of frames.entries()) this.#voters[i]!.send(frame);
    await arrived(voters + gateways, () => this.#answers + told);
    if (this.#answers !== voters) this.#fault ??= `${this.#answers} votes of ${voters} were answered`;
    if (told !== gateways) this.#fault ??= `the consensus was told ${told} times by ${gateways} gateways`;
    return { consensus, answered: this.#answeredAt - start };
  }

  async #faultIn(proposal: string): Promise<string | undefined> {
    const answer = await fetch(this.#urlOf(`/v1/swarms/${swarm}/proposals/${proposal}`));
    const { tally } = ((await answer.json()) as { proposal: { tally: Record<string, number> } }).proposal;
    const exact = tally['yes'] === voters / 2 && tally['no'] === 0 && tally['abstain'] === voters / 2;
    return exact ? undefined : `the tally is ${JSON.stringify(tally)}`;
  }

  #urlOf(path: string): string {
    return `http://127.0.0.1:${this.#target.nodes[0]!.port}${path}`;
  }
}

function ballot(proposal: string, voter: string, vote: string): Buffer {
  return textFrame(JSON.stringify({ type: 'swarm.vote', id: 1, swarm, proposal, vote, voter }));
}
