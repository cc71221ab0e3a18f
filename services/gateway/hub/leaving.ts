import { isPattern } from '../../../shared/topics/grammar.ts';
import { overlaps } from '../../../shared/topics/overlap.ts';
import type { FastLane } from './fast-lane.ts';
import type { Subscriber, Subscription } from './subscriber.ts';

/** What of the hub it takes to leave topics. */
export interface LeavingPorts {
  readonly lane: Pick<FastLane, 'remove'>;
  readonly pump: { wake(subscriber: Subscriber): void };
  matches(subscriber: Subscriber, topic: string): boolean;
  leaveLane(subscriber: Subscriber): unknown;
  release(names: Iterable<string>): void;
}

/** Back to what the connection had before; names it does not hold are passed over, and attachments end like any other. */
export function unsubscribe(hub: LeavingPorts, subscriber: Subscriber, names: readonly string[]): void {
  const gone: string[] = [];
  for (const name of names) {
    subscriber.owed?.attachments.delete(name);
    stopExpecting(hub, subscriber, name);
    const subscription = subscriber.subscriptions.get(name);
    if (!subscription) continue;
    subscriber.keep(name);
    if (subscriber.lane !== 'none') hub.lane.remove(subscriber, subscription);
    subscriber.subscriptions.delete(name);
    if (subscriber.overlaps > 0) subscriber.overlaps -= countOverlaps(subscriber, [subscription]);
    gone.push(name);
  }
  forgetPositions(hub, subscriber, gone);
  hub.release(gone);
  // Without overlaps it may ride native publish again; it gets there by way of a cursor that has nothing to read.
  if (!subscriber.cursor && subscriber.lane === 'direct' && subscriber.socket.native && subscriber.overlaps === 0) {
    hub.leaveLane(subscriber);
    hub.pump.wake(subscriber);
  }
}

/** The connection does not start a run on this topic any more. */
export function stopExpecting(hub: Pick<LeavingPorts, 'release'>, subscriber: Subscriber, topic: string): void {
  if (subscriber.expected?.delete(topic)) hub.release([topic]);
}

/** Positions and notices of topics that it no longer wants: a later subscription begins anew. */
function forgetPositions(hub: LeavingPorts, subscriber: Subscriber, gone: readonly string[]): void {
  const { cursor } = subscriber;
  if (!cursor) return;
  // One that follows thousands of runs leaves each of them by itself, so by name only what is named is looked at.
  const topics = gone.some(isPattern) ? [...cursor.positions.keys(), ...cursor.lost.keys()] : gone;
  for (const topic of topics) {
    if (hub.matches(subscriber, topic)) continue;
    cursor.positions.delete(topic);
    cursor.lost.delete(topic);
  }
}

/** Pairs of subscriptions that one topic can match. Two names without a wildcard never are. */
export function countOverlaps(subscriber: Subscriber, added: readonly Subscription[]): number {
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
