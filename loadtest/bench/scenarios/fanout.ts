import { steadily } from '../generator.ts';
import { Side } from '../side.ts';
import { agentwire, bareServer } from '../targets.ts';
import type { StartTarget, TargetOptions } from '../targets.ts';
import { figuresOf, generatorFigure, generatorShare, inTurns } from './scenario.ts';
import type { Round, Scenario } from './scenario.ts';

const subscribers = 1000;
const topic = 'bench.fanout';
const perSecond = 50;
const steadyMs = 3000;
const fullMs = 2000;
const warmUpMs = 1000;
/** Events on their way to all: few enough that no socket ever has to wait, which would be another measurement. */
const window = 64;

const most = 1.25;

export const fanout: Scenario = {
  name: 'fanout',
  about: `1 topic × ${subscribers} subscribers, 200-byte events; bare: uWebSockets.js native publish, no Redis`,
  figures: [
    {
      key: 'steady',
      what: `CPU per delivery, ${perSecond} publishes/s`,
      unit: 'µs',
      digits: 2,
      target: { of: 'ratio', most },
    },
    { key: 'full', what: 'CPU per delivery, as fast as it goes', unit: 'µs', digits: 3, target: { of: 'ratio', most } },
    { key: 'rate', what: 'deliveries, as fast as it goes', unit: 'k/s', digits: 0 },
    generatorFigure,
  ],
  async run(options) {
    const ours = await open(agentwire(1), options);
    const bare = await open(bareServer, options);
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
  const side = new Side(await start(options), subscribers);
  let delivered = 0;
  let released = 0;
  const onFrames = (count: number): void => {
    delivered += count;
    const due = Math.floor(delivered / subscribers) - released;
    if (due === 0) return;
    released += due;
    side.publishers[0]!.release(due);
  };
  await side.publish(1, () => [topic], window);
  await side.subscribe(
    subscribers,
    () => topic,
    () => onFrames,
  );
  await side.full(warmUpMs);
  return side;
}

async function round(side: Side): Promise<Round> {
  const publisher = side.publishers[0]!;
  const steady = await side.drive(() => steadily(perSecond, steadyMs, (count) => publisher.send(count)));
  const full = await side.full(fullMs);
  return {
    ...figuresOf(steady, { steady: (usage) => usage.total / usage.delivered }),
    ...figuresOf(full, {
      full: (usage) => usage.total / usage.delivered,
      rate: (usage) => usage.delivered / usage.seconds / 1000,
      generator: generatorShare,
    }),
  };
}
