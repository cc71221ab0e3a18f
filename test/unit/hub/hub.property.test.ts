import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matches } from '../../../shared/topics/match.ts';
import { overlaps } from '../../../shared/topics/overlap.ts';
import { losses, often, play, renumberings, topics } from './steps.ts';
import type { Step } from './steps.ts';
import { endOf, eventsOf, expectOnceInOrder } from './world.ts';
import type { Client, World } from './world.ts';

/**
 * What a client must have, or have been told that it will not get: everything from the answer to its subscribe on, by
 * name or by pattern; and nothing from before it.
 */
function expectComplete(world: World, who: Client, allowGaps: boolean): void {
  for (const topic of topics) {
    // Where each subscription that covers the topic began; what was owed to one that was left is owed no more.
    const begun = new Map<string, number>();
    let byNameOnly = true;
    let fromFirst = false;
    const had = new Set<number>();
    for (const push of who.pushes) {
      for (const { topic: name, seq, replay } of push.answer ?? []) {
        if (!matches(name, topic) || begun.has(name)) continue;
        if (begun.size === 0) {
          had.clear();
          byNameOnly = true;
        }
        byNameOnly &&= seq !== undefined;
        begun.set(name, (seq === undefined ? (push.heads![topic] ?? 0) : seq - (replay ?? 0)) + 1);
      }
      if (push.attached?.topic === topic && !begun.has(topic)) {
        const { after, covered } = push.attached;
        if (begun.size === 0) {
          had.clear();
          byNameOnly = true;
        }
        byNameOnly &&= !covered;
        // What a log that forgets has kept until it is made shows only with the first that comes.
        fromFirst = !covered && after === undefined && allowGaps;
        begun.set(attachment, covered || fromFirst ? Number.POSITIVE_INFINITY : (after ?? 0) + 1);
      }
      for (const name of push.unsubscribed ?? []) {
        begun.delete(name);
        if (name === topic) begun.delete(attachment);
      }
      // Its end may have come by what it is left without, and comes again when it is made.
      if (push.owed?.includes(topic) && !push.unsubscribed!.includes(topic) && !begun.has(attachment)) {
        begun.set(attachment, Number.POSITIVE_INFINITY);
        byNameOnly = false;
      }
      if (push.topic !== topic) continue;
      const first = push.from ?? push.seq ?? 0;
      if (fromFirst && begun.has(attachment) && first > 0) begun.set(attachment, first);
      if (first > 0) fromFirst = false;
      if (push.seq) had.add(push.seq);
      if (push.from && !allowGaps) expect.fail(`given up without need: ${JSON.stringify(push)}`);
      for (let seq = push.from ?? 1; seq <= (push.to ?? 0); seq += 1) had.add(seq);
      if (!endOf(push)) continue;
      expectAll(had, Math.min(...begun.values()), push.seq!, topic);
      // Another subscription may have begun later, and so owe less than there came.
      if (begun.delete(attachment)) byNameOnly = false;
    }
    if (begun.size === 0) continue;
    const from = Math.min(...begun.values());
    expectAll(had, from, world.log.topics.get(topic)?.seq ?? 0, topic);
    if (byNameOnly) expect(Math.min(from, ...had), `${topic}: older than asked for`).toBe(from);
  }
}

/** Where nothing is lost, whoever has nothing else that covers a topic gets all that it asks for of it. */
function expectRecovered(who: Client): void {
  const held = new Set<string>();
  // Promised, made or over: which of these it is when it subscribes is not told.
  const runs = new Set<string>();
  for (const { answer, attached, unsubscribed } of who.pushes) {
    if (attached) runs.add(attached.topic);
    for (const name of unsubscribed ?? []) held.delete(name);
    for (const one of answer ?? []) {
      const others = [...held, ...runs, ...answer!.filter((other) => other !== one).map(({ topic }) => topic)];
      if (!others.some((other) => overlaps(other, one.topic))) expect(one).not.toMatchObject({ recovered: false });
    }
    for (const { topic } of answer ?? []) held.add(topic);
  }
}

/** Within a numbering there is no hole but one that is announced, as long as the same subscriptions cover the topic. */
function expectUnbroken(who: Client): void {
  const last = new Map<string, { epoch: string; seq: number }>();
  for (const push of who.pushes) {
    const { answer = [], attached, unsubscribed = [], owed = [] } = push;
    const changed = [...answer, ...(attached ? [attached] : [])].map(({ topic }) => topic);
    changed.push(...unsubscribed, ...owed);
    for (const topic of last.keys()) if (changed.some((name) => matches(name, topic))) last.delete(topic);
    if (push.renumbered !== undefined || push.from !== undefined || endOf(push)) last.delete(push.topic);
    if (!push.seq || endOf(push)) continue;
    const known = last.get(push.topic);
    if (known?.epoch === push.epoch) expect(push.seq, `a hole before ${JSON.stringify(push)}`).toBe(known!.seq + 1);
    last.set(push.topic, { epoch: push.epoch!, seq: push.seq });
  }
}

/** No name of a topic. */
const attachment = '@';

function expectAll(had: ReadonlySet<number>, from: number, last: number, topic: string): void {
  for (let seq = from; seq <= last; seq += 1)
    expect(had.has(seq), `${topic} lacks ${seq} of ${from}..${last}`).toBe(true);
}

/** An attachment lasts as long as its run, and leaves nothing behind. */
function expectDetached(world: World, who: Client): void {
  const { subscriber } = who;
  expect(subscriber.owed, 'all that was promised is made').toBeUndefined();
  for (const topic of subscriber.attached ?? []) {
    expect(world.log.topics.has(topic) || world.log.open.has(topic), `${topic} is there`).toBe(true);
    expect(world.log.hasEnded(topic), `${topic} has ended`).toBe(false);
    expect(subscriber.subscriptions.has(topic)).toBe(true);
  }
  for (const topic of topics) {
    for (const one of world.hub.subscriptions.get(topic)?.attached ?? []) {
      expect(one.attached?.has(topic), `${topic} is held for one that is attached`).toBe(true);
    }
  }
}

/** What a client has of the numbering that the log is in, is what the log has. */
function expectTrue(world: World, who: Client): void {
  // What it had before it left a topic for a while, nobody may remember.
  const since = who.pushes.findLastIndex((push) => push.unsubscribed !== undefined || endOf(push));
  for (const push of who.pushes.slice(since + 1)) {
    const kept = world.log.topics.get(push.topic);
    if (!push.seq || !kept || kept.epoch !== push.epoch || !world.hub.matches(who.subscriber, push.topic)) continue;
    const event = kept.events.find(({ seq }) => seq === push.seq);
    expect(event?.body, `${JSON.stringify(push)} is not what the log holds`).toBe(push.body);
  }
}

/**
 * Always the same interleavings, so that a failure is the change's and not the dice's; HUB_PROPERTY_RUNS=10000 throws new
 * ones. About one in 10,000 of these still fails, where a run's numbering is lost twice under one name: real names are new.
 */
const asked = process.env['HUB_PROPERTY_RUNS'];
const settings = asked === undefined ? { numRuns: 1500, seed: 1 } : { numRuns: Number(asked) };
const steps = (extra: fc.WeightedArbitrary<Step>[]): fc.Arbitrary<Step[]> =>
  fc.array(fc.oneof(...often, ...extra), { minLength: 10, maxLength: 160, size: 'max' });

test('every event once and in order, nothing missing, while live events are lost and clients are slow', async () => {
  await fc.assert(
    fc.asyncProperty(steps(losses), async (list) => {
      const world = await play(list, { maxLag: 1000, ringEntries: 48 });
      for (const who of world.clients) {
        expectOnceInOrder(who);
        if (who.subscriber.closed) continue;
        expectComplete(world, who, false);
        expectRecovered(who);
        expectDetached(world, who);
      }
      expect(world.stats.behindConnections, 'everyone is live again').toBe(0);
      for (const who of world.clients) world.disconnect(who);
      expect(world.hub.subscriptions.size, 'nothing is held for those who are gone').toBe(0);
      expect(world.stats.subscriptions).toBe(0);
      expect(world.log.renumbered, 'nothing was lost that would need a new numbering').toBe(0);
    }),
    settings,
  );
});

test('a small ring, a small lag and a log that forgets: what is missing is announced', async () => {
  await fc.assert(
    fc.asyncProperty(steps(losses), async (list) => {
      const world = await play(list, { maxLag: 3, ringEntries: 48, keep: 10 });
      for (const who of world.clients) {
        expectOnceInOrder(who);
        if (who.subscriber.closed) continue;
        expectComplete(world, who, true);
        expectDetached(world, who);
      }
    }),
    settings,
  );
});

test('a numbering that is lost or rewound is announced before anything of the new one, and events go on', async () => {
  await fc.assert(
    fc.asyncProperty(steps([...losses, ...renumberings]), async (list) => {
      const world = await play(list, { maxLag: 1000, ringEntries: 64 });
      for (const who of world.clients) {
        expectOnceInOrder(who, world.log.again);
        expectTrue(world, who);
        expectUnbroken(who);
        for (const { topic, renumbered } of who.pushes) {
          if (renumbered === '') expect(world.log.lost, 'nothing that goes on is called gone').toContain(topic);
        }
        if (!who.subscriber.closed) expectDetached(world, who);
      }
      // After all that, the node is well again: the next event of each topic reaches everyone who wants it.
      const going = topics.filter((name) => !world.log.hasEnded(name));
      for (const name of going) world.log.publish(name, ['{"data":"last"}']);
      await world.rest();
      for (const who of world.clients) {
        if (who.subscriber.closed) continue;
        for (const name of going) {
          const wants = [...who.subscriber.subscriptions.keys()].some((held) => matches(held, name));
          const got = eventsOf(who, name).filter((push) => push.body === '{"data":"last"}').length;
          expect(got, `${name}: the last event`).toBe(wants ? 1 : 0);
        }
      }
    }),
    settings,
  );
});
