import type { Entry, Event } from './entry.ts';
import { frameOf } from './format.ts';
import type { Format } from './format.ts';
import type { Fanout, HubStats } from './ports.ts';
import type { Subscriber, Subscription } from './subscriber.ts';

export interface LaneParts {
  readonly fanout: Fanout;
  readonly formats: readonly Format[];
  readonly stats: HubStats;
  /** Told of each event that went out, and to how many connections. */
  readonly delivered?: ((event: Event, connections: number) => void) | undefined;
}

/**
 * The live path: an entry goes out as bytes encoded once per format, by native publish to each subscription that it
 * matches. A connection whose subscriptions overlap would get it twice that way, so it is sent to, once.
 */
export class FastLane {
  readonly #fanout: Fanout;
  readonly #formats: readonly Format[];
  readonly #stats: HubStats;
  readonly #delivered: LaneParts['delivered'];
  readonly #onLost: (subscriber: Subscriber, n: number) => void;

  constructor(parts: LaneParts, onLost: (subscriber: Subscriber, n: number) => void) {
    this.#fanout = parts.fanout;
    this.#formats = parts.formats;
    this.#stats = parts.stats;
    this.#delivered = parts.delivered;
    this.#onLost = onLost;
  }

  publish(entry: Entry, route: readonly Subscription[]): void {
    const before = this.#stats.eventsDelivered;
    this.#publish(entry, route);
    if (this.#delivered && entry.kind === 'event') this.#delivered(entry, this.#stats.eventsDelivered - before);
  }

  #publish(entry: Entry, route: readonly Subscription[]): void {
    for (const subscription of route) {
      for (const format of this.#formats) {
        const riders = subscription.riders[format.index];
        if (!riders) continue;
        const frame = frameOf(entry, format);
        if (!frame) continue;
        this.#fanout.publish(subscription.native(format), frame, format.binary);
        this.#stats.eventsDelivered += riders;
        this.#stats.bytesDelivered += riders * frame.length;
      }
      if (subscription.direct) this.#sendEach(entry, subscription.direct);
    }
  }

  #sendEach(entry: Entry, subscribers: Set<Subscriber>): void {
    for (const subscriber of subscribers) {
      if (subscriber.stamp === entry.n || subscriber.cursor) continue;
      subscriber.stamp = entry.n;
      if (!this.send(subscriber, entry)) this.#onLost(subscriber, entry.n);
    }
  }

  /** To one connection. False: refused. */
  send(subscriber: Subscriber, entry: Entry): boolean {
    const frame = frameOf(entry, subscriber.format);
    if (!frame) return true;
    if (!subscriber.socket.send(frame, subscriber.format.binary)) return false;
    this.#stats.eventsDelivered += 1;
    this.#stats.bytesDelivered += frame.length;
    return true;
  }

  /** Puts a connection with its subscriptions on the lane, as its overlaps ask. */
  join(subscriber: Subscriber): void {
    subscriber.lane = subscriber.socket.native && subscriber.overlaps === 0 ? 'native' : 'direct';
    for (const subscription of subscriber.subscriptions.values()) this.add(subscriber, subscription);
  }

  add(subscriber: Subscriber, subscription: Subscription): void {
    if (subscriber.lane === 'native') {
      const { format } = subscriber;
      subscription.riders[format.index] = (subscription.riders[format.index] ?? 0) + 1;
      subscriber.socket.subscribe(subscription.native(format));
    } else {
      (subscription.direct ??= new Set()).add(subscriber);
    }
  }

  remove(subscriber: Subscriber, subscription: Subscription): void {
    if (subscriber.lane === 'native') {
      const { format } = subscriber;
      subscription.riders[format.index]! -= 1;
      if (!subscriber.closed) subscriber.socket.unsubscribe(subscription.native(format));
    } else if (subscription.direct?.delete(subscriber) && subscription.direct.size === 0) {
      subscription.direct = undefined;
    }
  }

  /** Never from inside uWebSockets.js's `dropped` handler: unsubscribing there crashes the process. */
  leave(subscriber: Subscriber): void {
    if (subscriber.lane === 'none') return;
    for (const subscription of subscriber.subscriptions.values()) this.remove(subscriber, subscription);
    subscriber.lane = 'none';
  }
}
