import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { endsRun } from './endings.ts';
import { joinExpected } from './expecting.ts';
import type { Hub } from './hub.ts';
import { stopExpecting } from './leaving.ts';
import type { Attachment, Owed } from './owed.ts';
import type { Ask } from './plan.ts';
import type { Subscriber } from './subscriber.ts';
import { decided, replaysOf, take, tryPlan } from './subscribing.ts';

const retryMs = 200;
/** Made at once; the node does nothing else meanwhile. */
const perTry = 256;

/**
 * Promises the connection a run's events, until the one that ends it. It is made in the background, with others that
 * were promised meanwhile, and tried again while the store is away: the run is there, whatever becomes of the first try.
 * A run that it follows already goes on as it was, and nothing is sent twice.
 */
export function attach(hub: Hub, subscriber: Subscriber, attachment: Attachment): void {
  if (subscriber.subscriptions.has(attachment.topic)) stopExpecting(hub, subscriber, attachment.topic);
  if (subscriber.closed || subscriber.subscriptions.has(attachment.topic)) return;
  subscriber.owed ??= { attachments: new Map(), making: undefined, cancelRetry: () => {} };
  const { attachments } = subscriber.owed;
  if (!attachments.has(attachment.topic)) attachments.set(attachment.topic, attachment);
  void attached(hub, subscriber);
}

/**
 * Resolves when all that was promised is made. A pattern that came first would count as having brought events that it
 * has not, so whoever subscribes waits for this; a failure is one of this try only.
 */
export function attached(hub: Hub, subscriber: Subscriber): Promise<Result<void>> {
  const { owed } = subscriber;
  if (!owed) return Promise.resolve(ok(undefined));
  owed.making ??= makeAll(hub, subscriber, owed).finally(() => {
    owed.making = undefined;
  });
  return owed.making;
}

async function makeAll(hub: Hub, subscriber: Subscriber, owed: Owed): Promise<Result<void>> {
  owed.cancelRetry();
  while (owed.attachments.size > 0) {
    const made = await make(hub, subscriber, owed);
    if (subscriber.closed) return fail('unavailable', 'the connection is closed');
    if (made.ok) continue;
    owed.cancelRetry = hub.clock.later(retryMs, () => void attached(hub, subscriber));
    return made;
  }
  subscriber.owed = undefined;
  return ok(undefined);
}

async function make(hub: Hub, subscriber: Subscriber, owed: Owed): Promise<Result<void>> {
  if (subscriber.expected && subscriber.expected.size > 0) {
    // The answers are written at the end of this turn.
    await new Promise<void>((resolve) => hub.defer(resolve));
    if (!subscriber.closed) joinExpected(hub, subscriber, owed);
  }
  const promised = [...owed.attachments.values()].slice(0, perTry);
  if (promised.length === 0) return ok(undefined);
  const asks = promised.map(({ topic, after }): Ask => ({
    topic,
    since: after === undefined ? 'earliest' : { after },
  }));
  const names = asks.map(({ topic }) => topic);
  await decided(hub, subscriber);
  const planned = await tryPlan(hub, asks, names);
  if (!planned.ok || subscriber.closed) {
    hub.release(names);
    return planned.ok ? ok(undefined) : planned;
  }
  // Unsubscribed from meanwhile, or subscribed to.
  const wanted = promised.filter((one) => owed.attachments.get(one.topic) === one);
  const fresh = wanted.map(({ topic }) => topic).filter((topic) => !subscriber.subscriptions.has(topic));
  const replays = replaysOf(hub, subscriber, asks, fresh, planned.value);
  const over = new Set(promised.filter((one) => one.over).map(({ topic }) => topic));
  const added = fresh.filter((topic) => replays.has(topic) || !over.has(topic));
  const covered = added.filter((topic) => hub.matches(subscriber, topic));
  const silent = wanted.filter(({ topic }) => added.includes(topic) && !replays.has(topic));
  const taken = take(
    hub,
    subscriber,
    added.map((topic) => hub.subscriptions.get(topic)!),
    replays,
  );
  hub.release(taken ? names.filter((name) => !added.includes(name)) : names);
  // The socket is full, and what it got in this turn is not known: in another one.
  if (!taken) return ok(undefined);
  for (const topic of added) subscriber.attach(topic);
  for (const { topic } of wanted) {
    owed.attachments.delete(topic);
    stopExpecting(hub, subscriber, topic);
  }
  hub.pump.wake(subscriber);
  for (const one of silent) void lookBack(hub, subscriber, one, covered.includes(one.topic));
  return ok(undefined);
}

/**
 * Where nothing is replayed, all that there is to tell of a run may have gone by before it was looked for: its end, or
 * the whole of it with its store. `covered`: another subscription of the connection brings the topic.
 */
async function lookBack(hub: Hub, subscriber: Subscriber, one: Attachment, covered: boolean): Promise<void> {
  const { topic, after = 0 } = one;
  if (!subscriber.attached?.has(topic)) return;
  const read = await hub.log.read(topic, { limit: 1, reverse: true });
  const gone = read.ok && read.value.head.epoch === '' ? await hub.tails.goneOf([topic]) : ok([]);
  if (!read.ok || !gone.ok) {
    hub.clock.later(retryMs, () => void lookBack(hub, subscriber, one, covered));
    return;
  }
  if (!subscriber.attached?.has(topic)) return;
  const { head, events } = read.value;
  const [last] = events;
  const tail = hub.tails.get(topic);
  if (head.epoch === '') {
    // A node that knew of the topic finds out by itself, and tells all.
    const unheard = !tail || tail.epoch === '' || tail.vanished;
    if (gone.value.length > 0 && unheard) tellGone(hub, subscriber, topic);
  } else if (last && endsRun(last.body)) {
    // One that this node has yet to give out ends it by itself.
    if (covered && last.seq <= (tail?.sentSeq ?? 0)) hub.endings.end(subscriber, topic);
    // The client cannot have had it when it asked: its number is of another numbering, and everything is still to come.
    if (!covered && last.seq <= after) {
      hub.endings.end(subscriber, topic);
      attach(hub, subscriber, { topic, over: true });
    }
  }
}

function tellGone(hub: Hub, subscriber: Subscriber, topic: string): void {
  hub.leaveLane(subscriber).renumber(topic, '');
  hub.pump.wake(subscriber);
}
