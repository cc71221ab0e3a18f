import { steadily } from '../generator.ts';
import { Side } from '../side.ts';
import { agentwire, bareCluster } from '../targets.ts';
import type { StartTarget, TargetOptions } from '../targets.ts';
import { inTurns, percentile } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const perSecond = 1000;
const topics = 10;
const topicOf = (index: number): string => `bench.latency.${index}`;
const warmUpMs = 1500;
const steadyMs = 3000;

export const latency: Scenario = {
  name: 'latency',
  about: `${perSecond} publishes/s on one node, delivered on another, one publisher and one subscriber to each of ${topics} topics; bare: uWebSockets.js and the plain append script`,
  figures: [
    { key: 'p50', what: 'publish → delivery, p50', unit: 'ms', digits: 2, target: { of: 'figure', most: 0.6 } },
    { key: 'p99', what: 'publish → delivery, p99', unit: 'ms', digits: 2, target: { of: 'figure', most: 5 } },
  ],
  async run(options) {
    const ours = await Timed.open(agentwire(2), options);
    const bare = await Timed.open(bareCluster(2), options);
    const rounds = await inTurns(
      () => ours.round(steadyMs),
      () => bare.round(steadyMs),
    );
    await ours.side.close();
    await bare.side.close();
    return rounds;
  },
};

class Timed {
  readonly side: Side;
  /** When each event was sent, by topic. A topic's events come in order, so the next that comes is the first here. */
  readonly #sentAt: number[][] = Array.from({ length: topics }, () => []);
  readonly #came: number[] = Array.from({ length: topics }, () => 0);
  #took: number[] = [];
  #turn = 0;

  private constructor(side: Side) {
    this.side = side;
  }

  static async open(start: StartTarget, options: TargetOptions): Promise<Timed> {
    const timed = new Timed(new Side(await start(options), 1));
    await timed.side.publish(topics, (index) => [topicOf(index)], 1);
    await timed.side.subscribe(topics, topicOf, (index) => (count) => timed.#arrive(index, count));
    await timed.round(warmUpMs);
    return timed;
  }

  async round(ms: number): Promise<Round> {
    this.#took = [];
    const usage = await this.side.drive(() => steadily(perSecond, ms, (count) => this.#send(count)));
    if (typeof usage === 'string') return { p50: usage, p99: usage };
    const sorted = this.#took.sort((a, b) => a - b);
    return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
  }

  /** From the moment of sending, not of the plan: a late timer of the generator is no delay of the servers. */
  #send(count: number): void {
    for (let i = 0; i < count; i++) {
      const topic = this.#turn++ % topics;
      this.#sentAt[topic]!.push(performance.now());
      this.side.publishers[topic]!.send(1);
    }
  }

  #arrive(topic: number, count: number): void {
    const now = performance.now();
    for (let i = 0; i < count; i++) this.#took.push(now - this.#sentAt[topic]![this.#came[topic]!++]!);
  }
}
