import { fail } from '../base/errors.ts';
import type { Failure } from '../base/errors.ts';
import type { Since, SubscribeResult } from '../protocol/subscribe.ts';
import { Backoff } from './backoff.ts';
import { Entry } from './entry.ts';
import { errorOf } from './errors.ts';
import type { AgentwireError } from './errors.ts';
import type { Settings } from './options.ts';
import type { Positions } from './positions.ts';
import type { Recovery } from './recovery.ts';
import type { Registry } from './registry.ts';
import type { Runs } from './runs.ts';
import { passes } from './requests.ts';
import type { Answer, Link, Requests } from './requests.ts';
import type { Settling } from './settling.ts';
import { waysBack } from './way-back.ts';
import type { Ask } from './way-back.ts';

export interface SubscriptionPorts {
  readonly requests: Requests;
  readonly link: Link;
  readonly settings: Settings;
  readonly registry: Registry;
  readonly positions: Positions;
  readonly settling: Settling;
  readonly recovery: Recovery;
  readonly runs: Runs;
  readonly report: (error: AgentwireError) => void;
}

/**
 * Sees to it that the server has what the application has subscribed to: new subscriptions of one turn go out in one
 * frame, and all old ones after a reconnect. An entry counts on a connection from its answer on.
 */
export class Subscriptions {
  readonly #ports: SubscriptionPorts;
  readonly #backoff: Backoff;
  #scheduled = false;
  #cancelRetry: (() => void) | undefined;
  #asking = false;
  maxFrameBytes = Number.POSITIVE_INFINITY;

  constructor(ports: SubscriptionPorts) {
    this.#ports = ports;
    this.#backoff = new Backoff(ports.settings.random);
  }

  /** The names have passed the grammar. `since` is of no effect for one that is subscribed to already. */
  hold(name: string, since: Since): Entry {
    const { registry } = this.#ports;
    let entry = registry.get(name);
    if (!entry) {
      entry = new Entry(name, since);
      registry.add(entry);
      this.#schedule();
    }
    entry.holders += 1;
    return entry;
  }

  release(entry: Entry): void {
    entry.holders -= 1;
    if (entry.holders > 0 || entry.removed) return;
    this.#remove(entry, undefined);
    const { link, requests, runs } = this.#ports;
    if (!entry.asked || !link.up) return runs.sync();
    // Nobody can act on a refusal: the connection either has it no more or ends.
    requests.ask({ type: 'unsubscribe', topics: [entry.name] }, () => runs.unsubscribed(entry.name));
  }

  linkUp(): void {
    this.#backoff.reset();
    this.#sync();
  }

  linkDown(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#asking = false;
    this.#ports.settling.stop();
    for (const entry of this.#ports.registry.all()) {
      entry.asked = false;
      entry.active = false;
    }
  }

  /** Those that wait for their first answer have waited for nothing. The others are kept for a later `connect`. */
  failWaiting(failure: Failure): void {
    for (const entry of this.#ports.registry.all()) if (!entry.established) this.#refuse(entry, failure);
  }

  endAll(failure: Failure): void {
    this.failWaiting(failure);
    // First, so that no subscription looks for what it leaves behind.
    this.#ports.positions.clear();
    for (const entry of this.#ports.registry.all()) this.#remove(entry, undefined);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#sync();
    });
  }

  /**
   * Asks for what was not asked for on this connection, one frame at a time, and what goes on before what begins. The
   * server replays no topic for a second subscription: were a later frame taken and an earlier one refused for now, the
   * topics that both match would not be replayed for the one that has missed something.
   */
  #sync(): void {
    const { registry, positions, link, requests } = this.#ports;
    // After a refusal for now, what is new waits for the end of the pause with the rest.
    if (!link.up || this.#cancelRetry || this.#asking) return;
    const waiting = [...registry.all()].filter((entry) => !entry.asked);
    const goingOn = waiting.filter((entry) => entry.established);
    const frames = waysBack(goingOn.length > 0 ? goingOn : waiting, registry, positions, this.maxFrameBytes);
    const first = frames[0] ?? [];
    const asks = first.some(({ entry }) => entry.alone) ? first.slice(0, 1) : first;
    if (asks.length === 0) return;
    this.#asking = true;
    for (const { entry } of asks) entry.asked = true;
    const topics = asks.map((ask) => ask.topic);
    requests.ask({ type: 'subscribe', topics }, (answer) => this.#answered(asks, answer));
  }

  #answered(asks: readonly Ask[], answer: Answer): void {
    // `linkDown` sees to what was lost.
    if (answer === 'lost') return;
    this.#asking = false;
    if (answer.ok) {
      this.#backoff.reset();
      this.#establish(asks, answer.value as SubscribeResult);
    } else {
      this.#refused(asks, answer);
    }
    this.#sync();
    this.#ports.runs.sync();
  }

  #refused(asks: readonly Ask[], failure: Failure): void {
    const { code } = failure;
    const forNow = asks.every(({ entry }) => passes(code) || (code === 'internal' && entry.established));
    const entries = asks.map(({ entry }) => entry).filter((entry) => !entry.removed);
    if (!forNow && asks.length === 1) {
      for (const entry of entries) this.#refuse(entry, failure);
      return;
    }
    for (const entry of entries) {
      entry.asked = false;
      // All or none: one bad name must not cost the others theirs.
      entry.alone ||= !forNow;
    }
    if (forNow) this.#retryLater();
  }

  #establish(asks: readonly Ask[], result: SubscribeResult): void {
    const entries = asks.map(({ entry }) => entry);
    this.#ports.recovery.established(entries, result);
    for (const entry of entries) {
      const { waiters, info } = entry;
      if (entry.removed || !info) continue;
      entry.waiters = [];
      for (const waiter of waiters) waiter.resolve(info);
    }
  }

  #retryLater(): void {
    this.#cancelRetry ??= this.#ports.settings.clock.later(this.#backoff.next(), () => {
      this.#cancelRetry = undefined;
      this.#sync();
    });
  }

  /** Refused at first: the calls are rejected. Refused after a reconnect (rights may have changed): it ends, and that is reported. */
  #refuse(entry: Entry, failure: Failure): void {
    const error = errorOf(fail(failure.code, `${entry.name}: ${failure.message}`, failure.details));
    this.#remove(entry, error);
    if (entry.established) this.#ports.report(error);
  }

  #remove(entry: Entry, error: AgentwireError | undefined): void {
    const { registry, positions } = this.#ports;
    registry.remove(entry);
    const { waiters } = entry;
    entry.waiters = [];
    entry.end(error);
    for (const waiter of waiters) waiter.reject(error ?? errorOf(fail('conflict', 'unsubscribed before the answer')));
    // A later subscription begins anew; a position left over would take what it asks for as seen.
    if (!entry.pattern) {
      if (!registry.covers(entry.name)) positions.forget(entry.name);
      return;
    }
    for (const [topic] of positions.all()) if (!registry.covers(topic)) positions.forget(topic);
  }
}
