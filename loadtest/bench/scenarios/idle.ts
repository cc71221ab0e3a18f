import { setTimeout as sleep } from 'node:timers/promises';
import { arrived } from '../generator.ts';
import { residentBytes } from '../processes.ts';
import { Side } from '../side.ts';
import { agentwire, bareServer } from '../targets.ts';
import type { StartTarget, TargetOptions } from '../targets.ts';
import { inTurns } from './scenario.ts';
import type { Sample, Scenario } from './scenario.ts';

const connections = 5000;
/** Opened before the first reading, so that what a process needs once is not counted. */
const first = 500;
const settleMs = 300;

const shared = (): string => 'bench.idle';
const own = (index: number): string => `bench.idle.${index}`;

export const idle: Scenario = {
  name: 'idle',
  about: `${connections} connections with one subscription each, and nothing to do; bare: uWebSockets.js`,
  figures: [
    {
      key: 'shared',
      what: 'memory per connection, one topic for all',
      unit: 'KB',
      digits: 2,
      target: { of: 'figure', most: 4 },
    },
    { key: 'own', what: 'memory per connection, a topic each', unit: 'KB', digits: 2 },
  ],
  run: (options) =>
    inTurns(
      async () => ({
        shared: await measure(agentwire(1), options, shared),
        own: await measure(agentwire(1), options, own),
      }),
      async () => ({
        shared: await measure(bareServer, options, shared),
        own: await measure(bareServer, options, own),
      }),
    ),
};

/** A process of its own for each reading: a second one would find the pages that the first had left. */
async function measure(
  start: StartTarget,
  options: TargetOptions,
  topicOf: (index: number) => string,
): Promise<Sample> {
  let delivered = 0;
  const count = (): ((frames: number) => void) => (frames) => void (delivered += frames);
  const side = new Side(await start(options), topicOf === shared ? connections + first : 1);
  await side.subscribe(first, (index) => topicOf(connections + index), count);
  const before = await settled(side);
  await side.subscribe(connections, topicOf, count);
  const after = await settled(side);
  const fault = await unheard(side, topicOf, () => delivered);
  await side.close();
  return fault ?? (after - before) / connections / 1000;
}

async function settled(side: Side): Promise<number> {
  const node = side.target.nodes[0]!;
  // The second collection takes what the finalisers of the first set free.
  await node.collect();
  await sleep(settleMs);
  await node.collect();
  return residentBytes(node.pid);
}

/** Only a connection that still gets its events was worth its memory. */
async function unheard(
  side: Side,
  topicOf: (index: number) => string,
  delivered: () => number,
): Promise<string | undefined> {
  const all = Array.from({ length: connections + first }, (_, index) => index);
  const topics = [...new Set(all.map(topicOf))];
  await side.publish(1, () => topics, 1);
  for (let sent = 0; sent < topics.length; sent++) {
    side.publishers[0]!.send(1);
    // One at a time would take a turn of the timer each; all at once would be a flood.
    if (sent % 64 === 63) await arrived(sent + 1, () => side.publishers[0]!.connection.reader.frames);
  }
  await arrived(all.length, delivered);
  return delivered() === all.length ? undefined : `${delivered()} of ${all.length} connections heard their topic`;
}
