import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { isPattern } from '../../../shared/topics/grammar.ts';
import { matches } from '../../../shared/topics/match.ts';
import { overlaps } from '../../../shared/topics/overlap.ts';
import type { Hub } from './hub.ts';
import { plan } from './plan.ts';
import type { Ask, Plan } from './plan.ts';
import type { Start } from './since.ts';
import type { Subscriber, Subscription } from './subscriber.ts';

export interface Subscribed {
  topic: string;
  pattern: boolean;
  epoch?: string;
  seq?: number;
  recovered?: boolean;
  replay?: number;
}

export interface Prepared {
  time: number;
  /**
   * Makes the subscriptions: whatever happens after this call reaches the connection. To be called in the turn in which
   * the answer goes out, which `begin` then follows: so the answer comes before the first event that it causes.
   */
  readonly attach: () => Subscribed[];
  readonly begin: () => void;
}

/** Finds out where each subscription begins. Nothing of the connection is changed yet, so a failure leaves nothing behind. */
export async function prepare(hub: Hub, subscriber: Subscriber, asks: readonly Ask[]): Promise<Result<Prepared>> {
  const names = [...new Set(asks.map((ask) => ask.topic))].filter((name) => !subscriber.subscriptions.has(name));
  const full = subscriber.lane === 'native' && !subscriber.socket.flush();
  if (full || subscriber.cursor?.undecided) await hub.standAside(subscriber);
  const planned = await tryPlan(hub, asks, names);
  if (planned.ok && !subscriber.closed) {
    const { value } = planned;
    return ok({
      time: value.time,
      attach: () => attach(hub, subscriber, asks, names, value),
      begin: () => hub.pump.wake(subscriber),
    });
  }
  hub.release(names);
  return planned.ok ? fail('unavailable', 'the connection is closed') : planned;
}

/** A fault on the way gives back what was taken for it. */
async function tryPlan(hub: Hub, asks: readonly Ask[], names: readonly string[]): Promise<Result<Plan>> {
  try {
    const held = await hub.hold(names);
    return held.ok ? await plan(hub, asks) : held;
  } catch (error) {
    hub.release(names);
    throw error;
  }
}

function attach(
  hub: Hub,
  subscriber: Subscriber,
  asks: readonly Ask[],
  names: readonly string[],
  made: Plan,
): Subscribed[] {
  const fresh = subscriber.closed ? [] : names.filter((name) => !subscriber.subscriptions.has(name));
  // Closed meanwhile, or subscribed by another request of the same connection that was quicker.
  hub.release(names.filter((name) => !fresh.includes(name)));
  if (subscriber.closed) return [];

  const replays = replaysOf(hub, subscriber, asks, fresh, made);
  const answers = asks.map((ask, i) => describe(hub, ask, made, made.starts[i]!, replays));
  const added = fresh.map((name) => hub.subscriptions.get(name)!);
  for (const subscription of added)
    if (subscription.pattern) subscription.since = Math.min(subscription.since, made.time);

  const overlapping = countOverlaps(subscriber, added);
  const leaves = replays.size > 0 || (overlapping > 0 && subscriber.lane === 'native');
  // Entries from before this moment are not for the new subscriptions: let the cursor stand at the head.
  if (subscriber.cursor || leaves) {
    const cursor = hub.leaveLane(subscriber);
    if (cursor.undecided) {
      // The socket is full, and what it was sent in this turn is not known: the client has to come back by its positions.
      subscriber.socket.close(4408, 'too slow');
      hub.release(fresh);
      return [];
    }
    hub.unpin(subscriber, cursor);
  }
  subscriber.overlaps += overlapping;
  for (const subscription of added) {
    subscriber.subscriptions.set(subscription.name, subscription);
    if (!subscriber.cursor) hub.lane.add(subscriber, subscription);
  }
  for (const [topic, replay] of replays) {
    subscriber.cursor?.place(topic, {
      epoch: replay.epoch,
      seq: replay.after,
      until: replay.until,
      replay: replay.until,
    });
  }
  return answers;
}

interface Replay {
  epoch: string;
  after: number;
  until: number;
}

/** What another subscription of the connection has brought already is never sent again, so a topic it covers is not replayed. */
function replaysOf(
  hub: Hub,
  subscriber: Subscriber,
  asks: readonly Ask[],
  fresh: readonly string[],
  made: Plan,
): Map<string, Replay> {
  const replays = new Map<string, Replay>();
  const add = (topic: string, after: number): void => {
    if (hub.matches(subscriber, topic)) return;
    const head = made.heads.get(topic);
    const tail = hub.tails.get(topic);
    const epoch = head?.epoch ?? tail?.sentEpoch ?? '';
    if (epoch === '') return;
    const until = tail?.sentSeq ?? head?.seq ?? 0;
    const known = replays.get(topic);
    if (known) known.after = Math.min(known.after, after);
    else if (after < until) replays.set(topic, { epoch, after, until });
  };
  asks.forEach(({ topic: name, since }, i) => {
    if (!fresh.includes(name) || since === 'latest') return;
    for (const [topic, { after }] of made.starts[i]!) add(topic, after);
    if (!isPattern(name)) return;
    for (const { topic, firstSeq } of hub.ring.missedSince(made.place).values()) {
      if (firstSeq > 0 && !made.starts[i]!.has(topic) && matches(name, topic)) add(topic, firstSeq - 1);
    }
  });
  return replays;
}

function describe(
  hub: Hub,
  ask: Ask,
  made: Plan,
  starts: Map<string, Start>,
  replays: Map<string, Replay>,
): Subscribed {
  const { topic, since } = ask;
  // What is not replayed because another subscription covers the topic is missing, too.
  const comes = (name: string, { after }: Start): boolean =>
    replays.has(name) || after >= (hub.tails.get(name)?.sentSeq ?? made.heads.get(name)?.seq ?? 0);
  const whole = [...starts].every(([name, start]) => start.recovered && comes(name, start));
  const recovered = since === 'latest' ? {} : { recovered: whole };
  if (isPattern(topic)) return { topic, pattern: true, ...recovered };
  const tail = hub.tails.get(topic);
  const head = made.heads.get(topic);
  const epoch = tail?.sentEpoch ?? head?.epoch ?? '';
  const seq = tail?.sentSeq ?? head?.seq ?? 0;
  const replay = replays.get(topic);
  return {
    topic,
    pattern: false,
    epoch,
    seq,
    ...recovered,
    ...(since === 'latest' ? {} : { replay: replay ? seq - replay.after : 0 }),
  };
}

/** Pairs of subscriptions that one topic can match. Two names without a wildcard never are. */
function countOverlaps(subscriber: Subscriber, added: readonly Subscription[]): number {
  let count = 0;
  added.forEach((one, i) => {
    for (const other of subscriber.subscriptions.values()) count += overlap(one, other);
    for (let j = 0; j < i; j += 1) count += overlap(one, added[j]!);
  });
  return count;
}

function overlap(one: Subscription, other: Subscription): 0 | 1 {
  return (one.pattern || other.pattern) && overlaps(one.name, other.name) ? 1 : 0;
}

/** Back to what the connection had before; names it does not hold are passed over. */
export function unsubscribe(hub: Hub, subscriber: Subscriber, names: readonly string[]): void {
  const gone: string[] = [];
  for (const name of names) {
    const subscription = subscriber.subscriptions.get(name);
    if (!subscription) continue;
    if (subscriber.lane !== 'none') hub.lane.remove(subscriber, subscription);
    subscriber.subscriptions.delete(name);
    subscriber.overlaps -= countOverlaps(subscriber, [subscription]);
    forgetPositions(hub, subscriber);
    gone.push(name);
  }
  hub.release(gone);
  // Without overlaps it may ride native publish again; it gets there by way of a cursor that has nothing to read.
  if (!subscriber.cursor && subscriber.lane === 'direct' && subscriber.socket.native && subscriber.overlaps === 0) {
    hub.leaveLane(subscriber);
    hub.pump.wake(subscriber);
  }
}

/** Positions and notices of topics that it no longer wants: a later subscription begins anew. */
function forgetPositions(hub: Hub, subscriber: Subscriber): void {
  const { cursor } = subscriber;
  if (!cursor) return;
  for (const topic of cursor.positions.keys()) if (!hub.matches(subscriber, topic)) cursor.positions.delete(topic);
  for (const topic of cursor.lost.keys()) if (!hub.matches(subscriber, topic)) cursor.lost.delete(topic);
}
