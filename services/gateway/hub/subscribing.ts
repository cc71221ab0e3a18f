import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { isPattern } from '../../../shared/topics/grammar.ts';
import { matches } from '../../../shared/topics/match.ts';
import type { Hub } from './hub.ts';
import { countOverlaps } from './leaving.ts';
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
  // One that it is attached to as well: that may end while the store is asked.
  const names = [...new Set(asks.map((ask) => ask.topic))].filter((name) => !subscriber.askedFor(name));
  await decided(hub, subscriber);
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

/** Resolves in a turn in which it is known what has reached the connection: one whose socket is full is off the lane then. */
export async function decided(hub: Hub, subscriber: Subscriber): Promise<void> {
  const full = subscriber.lane === 'native' && !subscriber.socket.flush();
  if (!full && !subscriber.cursor?.undecided) return;
  hub.leaveLane(subscriber);
  hub.pump.wake(subscriber);
  await new Promise<void>((resolve) => hub.defer(resolve));
}

/** A fault on the way gives back what was taken for it. */
export async function tryPlan(hub: Hub, asks: readonly Ask[], names: readonly string[]): Promise<Result<Plan>> {
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

  if (!take(hub, subscriber, added, replays)) {
    // The socket is full, and what it was sent in this turn is not known: the client has to come back by its positions.
    subscriber.socket.close(4408, 'too slow');
    hub.release(fresh);
    return [];
  }
  if (subscriber.attached) for (const { topic } of asks) subscriber.keep(topic);
  return answers;
}

/**
 * Subscribes to what is held and planned. False: nothing is changed but that the connection is off the lane, since what
 * it was sent in this turn is not known.
 */
export function take(
  hub: Hub,
  subscriber: Subscriber,
  added: readonly Subscription[],
  replays: ReadonlyMap<string, Replay>,
): boolean {
  const overlapping = countOverlaps(subscriber, added);
  // What native publish gathered is of the older subscriptions only: what of it is lost has to be known before there are new.
  const leaves =
    replays.size > 0 ||
    (overlapping > 0 && subscriber.lane === 'native') ||
    (subscriber.gathers && !subscriber.socket.flush());
  if (subscriber.cursor || leaves) {
    const cursor = hub.leaveLane(subscriber);
    if (cursor.undecided) return false;
    // Entries from before this moment are not for the new subscriptions: let the cursor stand at the head. What brings
    // nothing new leaves it where it is, as all that it has not come to would have to be read.
    if (added.some(({ name, pattern }) => pattern || !hub.matches(subscriber, name))) hub.unpin(subscriber, cursor);
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
  return true;
}

export interface Replay {
  epoch: string;
  after: number;
  until: number;
}

/** What another subscription of the connection has brought already is never sent again, so a topic it covers is not replayed. */
export function replaysOf(
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
    // The first events of a topic may have come by while the store said that there are none.
    const epoch = head?.epoch || tail?.sentEpoch;
    if (!epoch) return;
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
