import { must } from '../../../shared/base/assert.ts';
import { endsRun } from './endings.ts';
import type { Event } from './entry.ts';
import type { Hub } from './hub.ts';
import type { Owed } from './owed.ts';
import type { Subscriber } from './subscriber.ts';

/** Events that are sent to a connection in one go; a run that has said more by its answer is replayed like any other. */
const mostAtOnce = 64;

/**
 * The connection starts a run on this topic, and nothing is on it yet: the node takes it from its first event on. So when
 * the run is answered, what it has said is in the ring, and the store need not be asked where it stands.
 */
export function expectRun(hub: Hub, subscriber: Subscriber, topic: string): void {
  if (subscriber.closed || subscriber.subscriptions.has(topic) || subscriber.expected?.has(topic)) return;
  (subscriber.expected ??= new Map()).set(topic, hub.ring.head);
  hub.tails.begins(topic);
  // Not waited for, as no start may wait for a subscriber's connection: an event that is quicker than the store's
  // confirmation is missed by the next one, or by the rounds, and read.
  void hub.hold([topic]);
}

/**
 * Makes the attachments that were expected: what the run has said until now is sent, the rest comes live. Without asking
 * the store and without leaving the lane, as a replay would; what cannot be made so is left to one. A connection on a
 * cursor is sent what that has passed, and comes to the rest: whoever starts runs without a break is on one at any time.
 */
export function joinExpected(hub: Hub, subscriber: Subscriber, owed: Owed): void {
  const { expected } = subscriber;
  if (!expected || !hasRoom(subscriber)) return;
  for (const { topic, after } of owed.attachments.values()) {
    const place = after === undefined ? expected.get(topic) : undefined;
    if (place === undefined || hub.matches(subscriber, topic)) continue;
    const events = fromFirst(hub, topic, place);
    if (!events || comesToOlder(hub, subscriber, topic, place)) continue;
    const due = events.filter(({ n }) => n < maySend(hub, subscriber));
    const refused = due.findIndex((event) => !hub.lane.send(subscriber, event));
    owed.attachments.delete(topic);
    expected.delete(topic);
    join(hub, subscriber, topic, events, refused < 0 ? due.length : refused);
    if (refused >= 0) return;
  }
}

/** Its cursor has yet to pass something of the topic from before the run: what a store has lost since. */
function comesToOlder({ ring }: Hub, { cursor }: Subscriber, topic: string, place: number): boolean {
  for (let n = cursor?.n ?? place; n < place; n += 1) if (ring.at(n).topic === topic) return true;
  return false;
}

/** The place in the ring up to which nothing is kept back for an answer. */
function maySend({ ring: { head } }: Hub, { cursor }: Subscriber): number {
  return cursor ? Math.min(cursor.n, cursor.upTo(head)) : head;
}

/**
 * What is held for the run that was expected is the connection's subscription from now on; it was `sent` so many of the
 * events. A cursor that is given the others knows of which numbering those were, so a loss from here on is announced.
 */
function join(hub: Hub, subscriber: Subscriber, topic: string, events: readonly Event[], sent: number): void {
  const subscription = must(hub.subscriptions.get(topic));
  const last = events.at(-1);
  const all = sent === events.length;
  const cursor = all ? subscriber.cursor : hub.leaveLane(subscriber);
  // Of the others, those that the cursor comes to in the ring need not be read.
  const passed = events.filter(({ n }) => cursor && n < cursor.n).length;
  subscriber.subscriptions.set(topic, subscription);
  if (!cursor) hub.lane.add(subscriber, subscription);
  else if (last) cursor.place(topic, { epoch: last.epoch, seq: sent, until: passed, replay: last.seq });
  subscriber.attach(topic);
  if (!all) hub.pump.wake(subscriber);
  else if (last && endsRun(last.body)) hub.endings.end(subscriber, topic);
}

/** It is known what has reached the connection, and no answer that was made and no loss is still to come before an event. */
function hasRoom(subscriber: Subscriber): boolean {
  if (!subscriber.cursor && subscriber.gathers && !subscriber.socket.flush()) return false;
  const { cursor, outbox } = subscriber;
  return !outbox && (!cursor || !(cursor.undecided || cursor.blockedSince > 0));
}

/** All that the node has given out of the topic, if the ring has it from the first event on and in one numbering. */
function fromFirst({ ring, tails }: Hub, topic: string, place: number): Event[] | undefined {
  const tail = tails.get(topic);
  if (!tail?.located || tail.sentSeq > mostAtOnce || place < ring.tail) return undefined;
  // Those who follow it were told that it is gone; whoever joins now has to find out.
  if (tail.vanished) return undefined;
  const events: Event[] = [];
  for (let n = place; n < ring.head && events.length < tail.sentSeq; n += 1) {
    const entry = ring.at(n);
    if (entry.topic !== topic) continue;
    if (entry.kind !== 'event' || entry.epoch !== tail.sentEpoch || entry.seq !== events.length + 1) return undefined;
    events.push(entry);
  }
  return events.length === tail.sentSeq ? events : undefined;
}
