import { Side } from '../side.ts';
import { agentwire, bareCluster } from '../targets.ts';
import type { StartTarget, TargetOptions } from '../targets.ts';
import { figuresOf, generatorFigure, generatorShare, inTurns } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const topics = 1000;
const publishers = 40;
const topicsEach = topics / publishers;
const topicOf = (index: number): string => `bench.through.${index}`;
/** Of one publisher, from publish to delivery; 2,000 in all. */
const window = 50;
const warmUpMs = 2000;
const fullMs = 4000;

export const through: Scenario = {
  name: 'through',
  about: `${topics} topics × 1 subscriber, kept events, published on one node and delivered on another, as fast as it goes; bare: uWebSockets.js and the plain append script, one event a call`,
  figures: [
    {
      key: 'total',
      what: 'CPU per message, nodes and Redis',
      unit: 'µs',
      digits: 1,
      target: { of: 'figure', most: 14 },
    },
    { key: 'in', what: '… the publishing node', unit: 'µs', digits: 1 },
    { key: 'out', what: '… the delivering node', unit: 'µs', digits: 1 },
    { key: 'redis', what: '… Redis', unit: 'µs', digits: 1 },
    { key: 'rate', what: 'messages', unit: 'k/s', digits: 1 },
    generatorFigure,
  ],
  async run(options) {
    const ours = await open(agentwire(2), options);
    const bare = await open(bareCluster(2), options);
    const rounds = await inTurns(
      () => round(ours),
      () => round(bare),
    );
    await ours.close();
    await bare.close();
    return rounds;
  },
};

async function open(start: StartTarget, options: TargetOptions): Promise<Side> {
  const side = new Side(await start(options), 1);
  await side.publish(
    publishers,
    (index) => Array.from({ length: topicsEach }, (_, i) => topicOf(index * topicsEach + i)),
    window,
  );
  await side.subscribe(topics, topicOf, (index) => {
    const publisher = side.publishers[Math.floor(index / topicsEach)]!;
    return (count) => publisher.release(count);
  });
  await side.full(warmUpMs);
  return side;
}

async function round(side: Side): Promise<Round> {
  return figuresOf(await side.full(fullMs), {
    total: (usage) => usage.total / usage.delivered,
    in: (usage) => usage.nodes[0]! / usage.delivered,
    out: (usage) => usage.nodes[1]! / usage.delivered,
    redis: (usage) => usage.redis / usage.delivered,
    rate: (usage) => usage.delivered / usage.seconds / 1000,
    generator: generatorShare,
  });
}
