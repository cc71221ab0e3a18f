import { setTimeout as sleep } from 'node:timers/promises';
import { arrived, Connection, openAll, Publisher } from '../generator.ts';
import { LiveTraffic } from '../live-traffic.ts';
import type { LiveReport } from '../live-worker.ts';
import { cpuMicros } from '../processes.ts';
import { agentwire, eventBytes } from '../targets.ts';
import type { Target, TargetOptions } from '../targets.ts';
import { TopicReader } from '../topic-reader.ts';
import { textFrame } from '../ws-frames.ts';
import { figuresOf, inTurns } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const clients = 2000;
const topics = 20;
const behind = 100;
const topicOf = (index: number): string => `bench.storm.${index % topics}`;
/** Live traffic before the cut, so that the cut itself falls into it. */
const leadMs = 500;
const calmMs = 2000;

export const storm: Scenario = {
  name: 'storm',
  about: `${clients} clients of 2 nodes are cut off and come back all at once, each ${behind} events behind, beside live traffic of 200 publishes/s; bare: that traffic while nothing happens`,
  figures: [
    {
      key: 'stall',
      what: 'longest wait of a live event',
      unit: 'ms',
      digits: 1,
      target: { of: 'figure', most: 250 },
    },
    { key: 'p99', what: '… p99', unit: 'ms', digits: 1 },
    { key: 'late', what: '… longest wait of its reader for a processor', unit: 'ms', digits: 1 },
    { key: 'back', what: 'until all have all', unit: 'ms', digits: 0 },
    { key: 'cpu', what: 'CPU per event caught up, nodes and Redis', unit: 'µs', digits: 1 },
    { key: 'generator', what: '… the generator, of a core', unit: '%', digits: 0 },
  ],
  async run(options) {
    const crowd = await Crowd.open(options);
    const rounds = await inTurns(
      () => crowd.round(),
      async () => liveFigures(await crowd.live.during(() => sleep(calmMs))),
    );
    await crowd.close();
    return rounds;
  },
};

interface Return {
  readonly ms: number;
  readonly cpu: number;
  readonly generator: number;
}

class Crowd {
  readonly live: LiveTraffic;
  readonly #target: Target;
  readonly #publishers: readonly Publisher[];
  readonly #readers = Array.from({ length: clients }, (_, index) => new TopicReader(topicOf(index)));
  #connections: readonly Connection[] = [];
  #epochs: readonly string[] = [];
  /** The last number of every topic. */
  #head = 0;

  private constructor(target: Target, live: LiveTraffic, publishers: readonly Publisher[]) {
    this.#target = target;
    this.live = live;
    this.#publishers = publishers;
  }

  static async open(options: TargetOptions): Promise<Crowd> {
    const target = await agentwire(2)(options);
    const { nodes, path } = target;
    const live = await LiveTraffic.start(nodes.map(({ port }) => port));
    const publishers = await openAll(topics, () => Connection.open(nodes[0]!.port, path, eventBytes));
    const crowd = new Crowd(
      target,
      live,
      publishers.map((connection, index) => new Publisher(connection, [target.publish(topicOf(index))], behind)),
    );
    crowd.#connections = await openAll(clients, async (index) => {
      const connection = await crowd.#connect(index);
      await connection.ask(target.subscribe(topicOf(index)));
      return connection;
    });
    await crowd.#publish(1);
    await crowd.#caughtUp();
    crowd.#epochs = await Promise.all(Array.from({ length: topics }, (_, index) => crowd.#epochOf(topicOf(index))));
    // Code that never ran is slow once, and not only in a storm.
    await crowd.round();
    return crowd;
  }

  async round(): Promise<Round> {
    let back: Return | string = 'nobody came back';
    const report = await this.live.during(async () => {
      await sleep(leadMs);
      for (const connection of this.#connections) connection.close();
      await this.#publish(behind);
      back = await this.#return();
    });
    // Whoever is live again hears the next event, and whatever came twice would come before it.
    await this.#publish(1);
    await this.#caughtUp();
    const fault = this.#fault() ?? (typeof back === 'string' ? back : undefined);
    return {
      ...liveFigures(report, fault),
      ...figuresOf<Return>(fault ?? report.fault ?? back, {
        back: ({ ms }) => ms,
        cpu: ({ cpu }) => cpu / clients / behind,
        generator: ({ generator, ms }) => (generator / ms) * 0.1,
      }),
    };
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.close();
    for (const publisher of this.#publishers) publisher.connection.close();
    await this.live.stop();
    await this.#target.stop();
  }

  async #return(): Promise<Return | string> {
    const frames = Array.from({ length: topics }, (_, index) => this.#from(index));
    const cpuBefore = this.#cpu();
    const ownBefore = process.cpuUsage();
    const start = performance.now();
    try {
      this.#connections = await Promise.all(
        this.#readers.map(async (_, index) => {
          const connection = await this.#connect(index);
          connection.send(frames[index % topics]!);
          return connection;
        }),
      );
    } catch (error) {
      return String(error);
    }
    await this.#caughtUp();
    const ms = performance.now() - start;
    const own = process.cpuUsage(ownBefore);
    return { ms, cpu: this.#cpu() - cpuBefore, generator: own.user + own.system };
  }

  /** Half of the clients to each node. */
  async #connect(index: number): Promise<Connection> {
    const { nodes, path } = this.#target;
    const port = nodes[Math.floor(index / topics) % nodes.length]!.port;
    const connection = await Connection.open(port, path, eventBytes);
    connection.reader.onHead = this.#readers[index]!.read;
    return connection;
  }

  #from(index: number): Buffer {
    const since = { seq: this.#head - behind, epoch: this.#epochs[index] };
    return textFrame(JSON.stringify({ type: 'subscribe', id: 1, topics: [{ topic: topicOf(index), since }] }));
  }

  async #publish(count: number): Promise<void> {
    this.#head += count;
    for (const publisher of this.#publishers) publisher.send(count);
    const answers = (): number => this.#publishers.reduce((sum, { connection }) => sum + connection.reader.frames, 0);
    await arrived(topics * this.#head, answers);
  }

  async #caughtUp(): Promise<void> {
    await arrived(clients * this.#head, () => this.#readers.reduce((sum, { seq }) => sum + seq, 0));
  }

  #fault(): string | undefined {
    const wrong = this.#readers.find(({ fault, seq }) => fault !== undefined || seq !== this.#head);
    return wrong && (wrong.fault ?? `a client stopped at event ${wrong.seq} of ${this.#head}`);
  }

  async #epochOf(topic: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#target.nodes[0]!.port}/v1/topics/${topic}/events?limit=1`);
    return ((await answer.json()) as { epoch: string }).epoch;
  }

  #cpu(): number {
    const { nodes, redisPid } = this.#target;
    return [redisPid!, ...nodes.map(({ pid }) => pid)].reduce((sum, pid) => sum + cpuMicros(pid), 0);
  }
}

function liveFigures(report: LiveReport, fault = report.fault): Round {
  return figuresOf(fault ?? report, {
    stall: ({ longest }) => longest,
    p99: ({ p99 }) => p99,
    late: ({ late }) => late,
  });
}
