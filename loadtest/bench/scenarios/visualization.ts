import { arrived, Connection, openAll, steadily } from '../generator.ts';
import { cpuMicros } from '../processes.ts';
import { Side } from '../side.ts';
import { agentwire, data, eventBytes } from '../targets.ts';
import type { Target, TargetOptions } from '../targets.ts';
import { textFrame } from '../ws-frames.ts';
import { figuresOf, inTurns } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const viewers = 1000;
const topic = 'bench.fanout';
const perSecond = 50;
const steadyMs = 3000;
/** What is fed by one request, and published by natives at once: what a turn of the loop can join into one write. */
const together = 32;
const batches = 20;
const fields = { agent_id: 'agent-1', event_type: 'step', session_id: 'session-1' };

export const visualization: Scenario = {
  name: 'visualization',
  about: `1 event to ${viewers} visualization clients with filters of all eight kinds, fed over HTTP; beside it the same to ${viewers} native subscribers of one topic`,
  figures: [
    { key: 'steady', what: `CPU per delivery, ${perSecond} events/s`, unit: 'µs', digits: 2 },
    { key: 'full', what: `CPU per delivery, ${together} events at once`, unit: 'µs', digits: 3 },
  ],
  async run(options) {
    const feed = await Feed.open(options);
    const native = await natives(options);
    const rounds = await inTurns(
      () => feed.round(),
      () => nativeRound(native),
    );
    await feed.close();
    await native.close();
    return rounds;
  },
};

class Feed {
  readonly #target: Target;
  readonly #viewers: readonly Connection[];
  #fed = 0;

  private constructor(target: Target, open: readonly Connection[]) {
    this.#target = target;
    this.#viewers = open;
  }

  static async open(options: TargetOptions): Promise<Feed> {
    const target = await agentwire(1)(options);
    const open = await openAll(viewers, async (index) => {
      const viewer = await Connection.open(target.nodes[0]!.port, '/visualization/ws', eventBytes);
      const named = Object.entries(fields).filter((_, i) => (index & (1 << i)) > 0);
      const filters = JSON.stringify(Object.fromEntries(named));
      viewer.send(textFrame(`{"type":"subscribe","channels":["events"],"filters":${filters}}`));
      await viewer.ask(textFrame('{"type":"ping"}'));
      return viewer;
    });
    return new Feed(target, open);
  }

  async round(): Promise<Round> {
    const posts: Promise<void>[] = [];
    const steady = await this.#drive(async () => {
      await steadily(perSecond, steadyMs, (count) => posts.push(this.#post(count)));
      await Promise.all(posts);
    });
    const full = await this.#drive(async () => {
      for (let i = 0; i < batches; i++) {
        await this.#post(together);
        await this.#arrived();
      }
    });
    return { ...figuresOf(steady, { steady: (micros) => micros }), ...figuresOf(full, { full: (micros) => micros }) };
  }

  async close(): Promise<void> {
    for (const viewer of this.#viewers) viewer.close();
    await this.#target.stop();
  }

  /** Processor time per delivery. A string says what went wrong. */
  async #drive(work: () => Promise<void>): Promise<number | string> {
    const fedBefore = this.#fed;
    const before = this.#cpu();
    await work();
    await this.#arrived();
    const spent = this.#cpu() - before;
    const due = this.#fed * viewers;
    return this.#delivered() === due
      ? spent / ((this.#fed - fedBefore) * viewers)
      : `${this.#delivered()} deliveries where ${due} were due`;
  }

  async #post(count: number): Promise<void> {
    // Numbered: of ephemeral events that are equal to the last byte, a node gives out one a turn.
    const one = (n: number): string => `{${JSON.stringify(fields).slice(1, -1)},"n":${n},"data":${data}}`;
    const body = `[${Array.from({ length: count }, (_, i) => one(this.#fed + i)).join()}]`;
    this.#fed += count;
    const url = `http://127.0.0.1:${this.#target.nodes[0]!.port}/visualization/events`;
    const answer = await fetch(url, { method: 'POST', body });
    const said = await answer.text();
    if (!answer.ok) throw new Error(`feeding was refused: ${said}`);
  }

  #arrived(): Promise<void> {
    return arrived(this.#fed * viewers, () => this.#delivered());
  }

  #delivered(): number {
    return this.#viewers.reduce((sum, { reader }) => sum + reader.events, 0);
  }

  #cpu(): number {
    const { nodes, redisPid } = this.#target;
    return cpuMicros(nodes[0]!.pid) + (redisPid === undefined ? 0 : cpuMicros(redisPid));
  }
}

async function natives(options: TargetOptions): Promise<Side> {
  const side = new Side(await agentwire(1)(options), viewers);
  await side.publish(1, () => [topic], together);
  await side.subscribe(viewers, () => topic);
  return side;
}

async function nativeRound(side: Side): Promise<Round> {
  const publisher = side.publishers[0]!;
  const send = (count: number): void => {
    publisher.send(count);
    publisher.release(count);
  };
  const steady = await side.drive(() => steadily(perSecond, steadyMs, send));
  const full = await side.drive(async () => {
    for (let i = 0; i < batches; i++) {
      send(together);
      await side.arrived();
    }
  });
  return {
    ...figuresOf(steady, { steady: ({ total, delivered }) => total / delivered }),
    ...figuresOf(full, { full: ({ total, delivered }) => total / delivered }),
  };
}
