import { waits } from './cursor.ts';
import { saysGone } from './entry.ts';
import type { Entry } from './entry.ts';
import { unsubscribe } from './leaving.ts';
import type { LeavingPorts } from './leaving.ts';
import type { Defer } from './ports.ts';
import type { Subscriber } from './subscriber.ts';

/** Told without parsing: the store of runs writes `kind` first. */
const lastOfRun = /^\{"data":\{"kind":"(?:completed|cancelled|failed)"/;

export function endsRun(body: string): boolean {
  return lastOfRun.test(body);
}

/** The last that is told of a run: how it ended, or that it has gone with its topic. */
export function isLastOfRun(entry: Entry): boolean {
  return entry.kind === 'event' ? endsRun(entry.body) : saysGone(entry);
}

interface Passed {
  readonly subscriber: Subscriber;
  readonly topic: string;
  readonly n: number;
}

/** Takes an attachment away when the last that is told of its run has been given to the connection. */
export class Endings {
  readonly #hub: LeavingPorts;
  readonly #defer: Defer;
  #passed: Passed[] = [];

  constructor(hub: LeavingPorts, defer: Defer) {
    this.#hub = hub;
    this.#defer = defer;
  }

  /** An entry of a topic with attachments went out on the fast lane. Who is behind gets it from the pump, which tells by itself. */
  passed(entry: Entry, attached: Iterable<Subscriber>): void {
    if (!isLastOfRun(entry)) return;
    for (const subscriber of attached) {
      if (subscriber.cursor) continue;
      // What native publish gathered may turn out to be lost until the turn ends, and is then wanted from the ring.
      if (this.#passed.push({ subscriber, topic: entry.topic, n: entry.n }) === 1) this.#defer(() => this.#settle());
    }
  }

  /** The last event of the run is with the connection. */
  end(subscriber: Subscriber, topic: string): void {
    if (subscriber.attached?.has(topic)) unsubscribe(this.#hub, subscriber, [topic]);
  }

  #settle(): void {
    const passed = this.#passed;
    this.#passed = [];
    for (const { subscriber, topic, n } of passed) if (!stillToCome(subscriber, topic, n)) this.end(subscriber, topic);
  }
}

/** It left the lane before the entry reached it, and comes to it by its cursor: in the ring, or by now in the log. */
function stillToCome({ cursor }: Subscriber, topic: string, n: number): boolean {
  if (!cursor) return false;
  const position = cursor.positions.get(topic);
  return cursor.n <= n || (position !== undefined && waits(position));
}
