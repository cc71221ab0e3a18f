import { ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import { announce } from '../hub/announcing.ts';
import type { Hub } from '../hub/hub.ts';
import { unsubscribe } from '../hub/leaving.ts';
import type { Subscriber } from '../hub/subscriber.ts';
import { prepare } from '../hub/subscribing.ts';
import type { Notices } from './notices.ts';
import { channels, logOf, patternOf, topicOf } from './visual-topics.ts';
import type { Channel, FedChannel, Filters } from './visual-topics.ts';

const figuresEveryMs = 5000;

/** A message as clients get it, live and from the history. */
export interface VisualMessage {
  readonly type: 'event' | 'reasoning' | 'metrics';
  readonly timestamp: string;
  readonly data: Filters;
}

export interface VisualFeedParts {
  readonly hub: Hub;
  readonly notices: Notices;
  readonly clock: Clock;
  readonly figures: () => Promise<Result<object>>;
}

interface Source {
  readonly opened: Promise<Result<() => void>>;
  holders: number;
}

/**
 * Brings the channels to the connections of this node that watch them. While there is one, the node listens to the
 * channel's log, or looks at the figures now and then, and announces each message on the topic of its own that names
 * what filters ask about.
 */
export class VisualFeed {
  readonly #parts: VisualFeedParts;
  readonly #sources = new Map<Channel, Source>();
  /** The pattern that each connection has of a channel. */
  readonly #watching = new Map<Subscriber, Map<Channel, string>>();

  constructor(parts: VisualFeedParts) {
    this.#parts = parts;
  }

  /** In place of what the connection watched of these channels; all of them or none. One connection asks for one thing at a time. */
  async watch(subscriber: Subscriber, asked: readonly Channel[], filters: Filters): Promise<Result<void>> {
    const { hub } = this.#parts;
    const patterns = this.#watching.get(subscriber);
    const wanted = new Map(asked.map((channel) => [channel, patternOf(channel, filters)]));
    for (const [channel, pattern] of wanted) if (patterns?.get(channel) === pattern) wanted.delete(channel);
    const names = [...wanted.values()];
    const asks = names.map((topic) => ({ topic, since: 'latest' as const }));
    const prepared = await prepare(hub, subscriber, asks);
    if (!prepared.ok) return prepared;
    prepared.value.attach();
    prepared.value.begin();
    // After that, so that the first figures reach whoever they are looked up for.
    const opened = await this.#open([...wanted.keys()]);
    if (!opened.ok || subscriber.closed) {
      unsubscribe(hub, subscriber, names);
      if (opened.ok) this.#close(wanted.keys());
      return opened;
    }
    // Only now: what the old and the new filters both let through is not to be missed in between.
    this.unwatch(subscriber, [...wanted.keys()]);
    const held = this.#watching.get(subscriber) ?? new Map<Channel, string>();
    this.#watching.set(subscriber, held);
    for (const [channel, pattern] of wanted) held.set(channel, pattern);
    return ok(undefined);
  }

  unwatch(subscriber: Subscriber, left: readonly Channel[] = channels): void {
    const patterns = this.#watching.get(subscriber);
    const watched = left.filter((channel) => patterns?.has(channel));
    if (!patterns || watched.length === 0) return;
    unsubscribe(
      this.#parts.hub,
      subscriber,
      watched.map((channel) => patterns.get(channel)!),
    );
    for (const channel of watched) patterns.delete(channel);
    if (patterns.size === 0) this.#watching.delete(subscriber);
    this.#close(watched);
  }

  async #open(wanted: readonly Channel[]): Promise<Result<void>> {
    const opened = await Promise.all(wanted.map((channel) => this.#hold(channel)));
    const failed = opened.find((one) => !one.ok);
    if (!failed || failed.ok) return ok(undefined);
    this.#close(wanted);
    return failed;
  }

  #hold(channel: Channel): Promise<Result<unknown>> {
    let source = this.#sources.get(channel);
    if (!source) {
      source = { opened: channel === 'metrics' ? this.#lookAtFigures() : this.#listenTo(channel), holders: 0 };
      this.#sources.set(channel, source);
    }
    source.holders += 1;
    return source.opened;
  }

  #close(left: Iterable<Channel>): void {
    for (const channel of left) {
      const source = this.#sources.get(channel)!;
      source.holders -= 1;
      if (source.holders > 0) continue;
      this.#sources.delete(channel);
      void source.opened.then((opened) => opened.ok && opened.value());
    }
  }

  #listenTo(channel: FedChannel): Promise<Result<() => void>> {
    const { notices } = this.#parts;
    return notices.listen(logOf(channel), (message) => this.#announce(channel, message as VisualMessage));
  }

  /** Once for all who watch. Where the store is away there is nothing to tell until it is back. */
  #lookAtFigures(): Promise<Result<() => void>> {
    const { clock, figures } = this.#parts;
    let cancel: () => void = () => {};
    let over = false;
    const tell = async (): Promise<void> => {
      const found = await figures();
      if (over) return;
      cancel = clock.later(figuresEveryMs, () => void tell());
      const timestamp = new Date(clock.now()).toISOString();
      if (found.ok) this.#announce('metrics', { type: 'metrics', timestamp, data: found.value });
    };
    void tell();
    return Promise.resolve(
      ok(() => {
        over = true;
        cancel();
      }),
    );
  }

  #announce(channel: Channel, message: VisualMessage): void {
    announce(this.#parts.hub, topicOf(channel, message.data), `{"data":${JSON.stringify(message)}}`);
  }
}
