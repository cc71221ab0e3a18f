import { arrived, Connection, openAll, Publisher } from './generator.ts';
import type { OnFrames } from './generator.ts';
import { cpuMicros } from './processes.ts';
import { eventBytes } from './targets.ts';
import type { Target } from './targets.ts';

/** What a piece of work took of the servers. Microseconds of processor time. */
export interface Usage {
  readonly published: number;
  readonly delivered: number;
  readonly seconds: number;
  readonly nodes: readonly number[];
  readonly redis: number;
  readonly total: number;
  /** Processor time of this process, too: where it comes near a core, a rate is the generator's and not the servers'. */
  readonly generator: number;
}

/** One side of a comparison, with its clients: subscribers on the last node, publishers on the first. */
export class Side {
  readonly target: Target;
  readonly publishers: Publisher[] = [];
  readonly #subscribers: Connection[] = [];
  /** How many subscribers each published event has. */
  readonly #copies: number;

  constructor(target: Target, copies: number) {
    this.target = target;
    this.#copies = copies;
  }

  async subscribe(
    count: number,
    topicOf: (index: number) => string,
    onFrames?: (index: number) => OnFrames,
  ): Promise<void> {
    const { nodes, path } = this.target;
    const opened = await openAll(count, async (index) => {
      const connection = await Connection.open(nodes.at(-1)!.port, path, eventBytes);
      await connection.ask(this.target.subscribe(topicOf(index)));
      connection.onFrames = onFrames?.(index);
      return connection;
    });
    this.#subscribers.push(...opened);
  }

  /** `topicsOf` are the topics that a publisher takes in turn; they are spread over the first `nodes` nodes. */
  async publish(count: number, topicsOf: (index: number) => string[], window: number, nodes = 1): Promise<void> {
    const { path } = this.target;
    const opened = await openAll(count, (index) =>
      Connection.open(this.target.nodes[index % nodes]!.port, path, eventBytes),
    );
    opened.forEach((connection, index) => {
      const frames = topicsOf(index).map((topic) => this.target.publish(topic));
      this.publishers.push(new Publisher(connection, frames, window));
    });
  }

  get sent(): number {
    return this.publishers.reduce((sum, publisher) => sum + publisher.sent, 0);
  }

  /** Runs the work to its end: until all it published was answered and delivered. A string says what went wrong. */
  async drive(work: () => Promise<void>): Promise<Usage | string> {
    const sentBefore = this.sent;
    const cpuBefore = this.#cpu();
    const ownBefore = process.cpuUsage();
    const start = performance.now();
    await work();
    const { sent } = this;
    const due = sent * this.#copies;
    await this.arrived();
    const seconds = (performance.now() - start) / 1000;
    const own = process.cpuUsage(ownBefore);
    const spent = this.#cpu().map((after, i) => after - cpuBefore[i]!);
    const answered = this.#answered();
    const delivered = this.#delivered();
    // Both are counted from the opening on, so that what comes twice, or too late, spoils the next count at the latest.
    if (delivered !== due) return `${delivered} deliveries where ${due} were due`;
    if (answered !== sent) return `${answered} answers to ${sent} publishes`;
    const published = sent - sentBefore;
    const [redis = 0, ...nodes] = spent;
    const total = spent.reduce((sum, micros) => sum + micros, 0);
    return {
      published,
      delivered: published * this.#copies,
      seconds,
      nodes,
      redis,
      total,
      generator: own.user + own.system,
    };
  }

  /** Waits for all that was published, and for its answers. */
  async arrived(): Promise<void> {
    const { sent } = this;
    await arrived(sent * this.#copies, () => this.#delivered());
    await arrived(sent, () => this.#answered());
  }

  /** Publishes as fast as releases let it, for so long. */
  full(ms: number): Promise<Usage | string> {
    return this.drive(async () => {
      for (const publisher of this.publishers) publisher.start();
      await new Promise((resolve) => setTimeout(resolve, ms));
      for (const publisher of this.publishers) publisher.stop();
    });
  }

  async close(): Promise<void> {
    for (const connection of this.#subscribers) connection.close();
    for (const publisher of this.publishers) publisher.connection.close();
    await this.target.stop();
  }

  #cpu(): number[] {
    const { nodes, redisPid } = this.target;
    return [redisPid === undefined ? 0 : cpuMicros(redisPid), ...nodes.map((node) => cpuMicros(node.pid))];
  }

  #delivered(): number {
    return this.#subscribers.reduce((sum, { reader }) => sum + reader.events, 0);
  }

  #answered(): number {
    return this.publishers.reduce((sum, { connection }) => sum + connection.reader.frames, 0);
  }
}
