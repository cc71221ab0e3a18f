import { fail, ok, type Result } from '../../base/errors.ts';
import { homeOf } from '../../topics/home.ts';
import type { ChannelHooks, Channels } from './channels.ts';
import type { Keys } from './keys.ts';
import type { LiveFeed } from './live-feed.ts';

/** Patterns come and go with the clients that use them; changing channels for each would disturb everybody. */
const lingerMs = 3000;

/**
 * Which channels the engine listens to. An event is published on two: its topic's and that of all topics. An engine that
 * watches topics takes the first kind, one that watches all the second, and never both, so that nothing comes twice.
 * The change from one to the other happens at a mark in the stream of messages (the phase: false topics, true all): a
 * script publishes on both channels at one moment, so a mark never falls between the two.
 */
export class Watches {
  readonly #keys: Keys;
  readonly #feed: LiveFeed;
  readonly #channels: Channels;
  readonly #topics = new Set<string>();
  readonly #wholeChannels: string[];
  readonly #kindAt: number;
  readonly #isWatched = (topic: string): boolean => this.#topics.has(topic);
  readonly #isAny = (): boolean => true;
  #wantAll = false;
  /** The phase of all connections; unknown while it changes, and when that failed half-way. */
  #settled: boolean | undefined = false;
  #switching: Promise<boolean> | undefined;
  #linger: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(keys: Keys, feed: LiveFeed, open: (hooks: ChannelHooks) => Channels) {
    this.#keys = keys;
    this.#feed = feed;
    this.#kindAt = keys.kindAt;
    this.#wholeChannels = keys.wholeChannels();
    this.#channels = open({
      message: (channel, payload, phase) => this.#message(channel, payload, phase),
      restored: () => this.#restored(),
    });
  }

  start(): Promise<void> {
    return this.#channels.start();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#linger);
    this.#channels.stop();
  }

  async watch(topics: readonly string[]): Promise<Result<void>> {
    for (const topic of topics) this.#topics.add(topic);
    if (this.#settled && this.#wantAll && this.#channels.ready()) return ok(undefined);
    return (await this.#channels.add(topics.map((topic) => this.#channelOf(topic))))
      ? ok(undefined)
      : fail('unavailable');
  }

  unwatch(topics: readonly string[]): void {
    const gone = topics.filter((topic) => this.#topics.delete(topic));
    this.#channels.remove(gone.map((topic) => this.#channelOf(topic)));
  }

  async watchAll(on: boolean): Promise<Result<void>> {
    this.#wantAll = on;
    clearTimeout(this.#linger);
    if (on) return (await this.#settle()) ? ok(undefined) : fail('unavailable');
    this.#linger = setTimeout(() => void this.#settle(), lingerMs);
    this.#linger.unref();
    return ok(undefined);
  }

  #channelOf(topic: string): string {
    return this.#keys.topicChannels(this.#keys.partitionOf(homeOf(topic))) + topic;
  }

  #message(channel: Buffer, payload: Buffer, all: boolean): void {
    const ofAll = channel[this.#kindAt] === kindAll;
    if (ofAll !== all) return;
    this.#feed.take(payload.toString(), all && this.#wantAll ? this.#isAny : this.#isWatched);
  }

  #restored(): void {
    this.#feed.disturbed();
    if (this.#wantAll !== this.#settled) void this.#settle();
  }

  /** One change at a time; whoever asks meanwhile gets the outcome of the next. */
  async #settle(): Promise<boolean> {
    await this.#switching;
    if (this.#stopped) return false;
    if (this.#wantAll === this.#settled) return this.#channels.ready();
    this.#switching ??= this.#switch(this.#wantAll).finally(() => (this.#switching = undefined));
    return this.#switching;
  }

  async #switch(all: boolean): Promise<boolean> {
    const topicChannels = (): string[] => [...this.#topics].map((topic) => this.#channelOf(topic));
    this.#settled = undefined;
    if (!(await this.#channels.add(all ? this.#wholeChannels : topicChannels()))) return false;
    if (!(await this.#channels.mark(all))) return false;
    this.#settled = all;
    this.#channels.remove(all ? topicChannels() : this.#wholeChannels);
    this.#feed.disturbed();
    return true;
  }
}

const kindAll = 'p'.charCodeAt(0);
