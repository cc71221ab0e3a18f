import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matches } from '../../../shared/topics/match.ts';
import { losses, often, play, renumberings, topics } from './steps.ts';
import type { Step } from './steps.ts';
import { eventsOf, expectOnceInOrder } from './world.ts';
import type { Client, World } from './world.ts';

/** What a client must have, or have been told that it will not get: everything from the answer to its subscribe on. */
function expectComplete(world: World, who: Client, allowGaps: boolean): void {
  for (const name of topics) {
    const kept = world.log.topics.get(name);
    if (!kept || !who.subscriber.subscriptions.has(name)) continue;
    let from = 0;
    const had = new Set<number>();
    for (const push of who.pushes) {
      const own = push.answer?.find((answer) => answer.topic === name && answer.epoch !== undefined);
      if (own && from === 0) from = own.seq! - (own.replay ?? 0) + 1;
      if (push.unsubscribed?.includes(name)) from = 0;
      if (push.topic !== name) continue;
      if (push.seq) had.add(push.seq);
      if (push.from) {
        if (!allowGaps) expect.fail(`given up without need: ${JSON.stringify(push)}`);
        for (let seq = push.from; seq <= push.to!; seq += 1) had.add(seq);
      }
    }
    for (let seq = Math.max(1, from); seq <= kept.seq; seq += 1)
      expect(had.has(seq), `${name} lacks ${seq} of ${from}..${kept.seq}`).toBe(true);
  }
}

const runs = Number(process.env['HUB_PROPERTY_RUNS'] ?? 1500);
const steps = (extra: fc.WeightedArbitrary<Step>[]): fc.Arbitrary<Step[]> =>
  fc.array(fc.oneof(...often, ...extra), { minLength: 10, maxLength: 80 });

test('every event once and in order, nothing missing, while live events are lost and clients are slow', async () => {
  await fc.assert(
    fc.asyncProperty(steps(losses), async (list) => {
      const world = await play(list, { maxLag: 1000, ringEntries: 4096 });
      for (const who of world.clients) {
        expectOnceInOrder(who);
        if (!who.subscriber.closed) expectComplete(world, who, false);
      }
      expect(world.hub.behind, 'everyone is live again').toBe(0);
    }),
    { numRuns: runs },
  );
});

test('a small ring, a small lag and a log that forgets: what is missing is announced', async () => {
  await fc.assert(
    fc.asyncProperty(steps(losses), async (list) => {
      const world = await play(list, { maxLag: 3, ringEntries: 48, keep: 10 });
      for (const who of world.clients) {
        expectOnceInOrder(who);
        if (!who.subscriber.closed) expectComplete(world, who, true);
      }
    }),
    { numRuns: runs },
  );
});

test('a numbering that is lost or rewound is announced before anything of the new one, and events go on', async () => {
  await fc.assert(
    fc.asyncProperty(steps([...losses, ...renumberings]), async (list) => {
      const world = await play(list, { maxLag: 1000, ringEntries: 64 });
      for (const who of world.clients) expectOnceInOrder(who);
      // After all that, the node is well again: the next event of each topic reaches everyone who wants it.
      for (const name of topics) world.log.publish(name, ['{"data":"last"}']);
      await world.rest();
      for (const who of world.clients) {
        if (who.subscriber.closed) continue;
        for (const name of topics) {
          const wants = [...who.subscriber.subscriptions.keys()].some((held) => matches(held, name));
          const got = eventsOf(who, name).filter((push) => push.body === '{"data":"last"}').length;
          expect(got, `${name}: the last event`).toBe(wants ? 1 : 0);
        }
      }
    }),
    { numRuns: runs },
  );
});
