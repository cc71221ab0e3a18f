import { Side } from '../side.ts';
import { agentwire, bareCluster } from '../targets.ts';
import type { StartTarget, TargetOptions } from '../targets.ts';
import { figuresOf, generatorFigure, generatorShare, inTurns } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const nodes = 2;
const publishers = 256;
const topicOf = (index: number): string => `bench.publishes.${index}`;
/** Of one publisher, from publish to answer. */
const window = 32;
const warmUpMs = 2000;
const fullMs = 3000;

export const publishes: Scenario = {
  name: 'publishes',
  about: `kept events from ${publishers} publishers with a topic each, over ${nodes} nodes into one Redis, nobody subscribed; bare: uWebSockets.js and the plain append script, one event a call`,
  figures: [
    { key: 'rate', what: 'kept publishes', unit: 'k/s', digits: 0, target: { of: 'figure', least: 150 } },
    generatorFigure,
    { key: 'nodes', what: 'CPU per publish, nodes', unit: 'µs', digits: 2 },
    { key: 'redis', what: 'CPU per publish, Redis', unit: 'µs', digits: 2 },
    // On a machine with few cores the nodes and the generator take from Redis what it could do.
    { key: 'ceiling', what: 'what this Redis could take with a core of its own', unit: 'k/s', digits: 0 },
  ],
  async run(options) {
    const ours = await open(agentwire(nodes), options);
    const bare = await open(bareCluster(nodes), options);
    const rounds = await inTurns(
      () => round(ours, () => lostIn(ours)),
      () => round(bare, async () => undefined),
    );
    await ours.close();
    await bare.close();
    return rounds;
  },
};

async function open(start: StartTarget, options: TargetOptions): Promise<Side> {
  const side = new Side(await start(options), 0);
  await side.publish(publishers, (index) => [topicOf(index)], window, nodes);
  for (const publisher of side.publishers) publisher.connection.onFrames = (count) => publisher.release(count);
  await side.full(warmUpMs);
  return side;
}

async function round(side: Side, fault: () => Promise<string | undefined>): Promise<Round> {
  const usage = await side.full(fullMs);
  return figuresOf((await fault()) ?? usage, {
    rate: ({ published, seconds }) => published / seconds / 1000,
    generator: generatorShare,
    nodes: ({ published, nodes: spent }) => spent.reduce((sum, micros) => sum + micros, 0) / published,
    redis: ({ published, redis }) => redis / published,
    ceiling: ({ published, redis }) => (published / redis) * 1000,
  });
}

/** An answer may be an error: what counts is how far the topics were numbered. */
async function lostIn(side: Side): Promise<string | undefined> {
  const { port } = side.target.nodes[0]!;
  let kept = 0;
  for (let i = 0; i < publishers; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/topics/${topicOf(i)}/events?limit=1`);
    kept += ((await answer.json()) as { seq: number }).seq;
  }
  return kept === side.sent ? undefined : `${kept} events kept of ${side.sent} published`;
}
