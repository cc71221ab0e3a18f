import type { Redis } from 'ioredis';
import { shortId } from '../../base/ids.ts';
import { openOnce, tearDown } from './connections.ts';
import { Liveness } from './liveness.ts';

export interface SubscriberHooks {
  message(channel: Buffer, payload: Buffer): void;
  /** All channels are subscribed again after the connection fell: what came in between is lost. */
  restored(): void;
}

/** A server that gets thousands of names in one command stops serving others meanwhile. */
const maxChannels = 512;
/** A channel is given up this long after its last user, so that coming and going costs nothing. */
const lingerMs = 3000;

/**
 * One connection that holds the channels asked for, whatever happens to it: it is probed, remade when it falls, and
 * subscribed again. In a cluster it would hold SSUBSCRIBEs; the names carry the tags that need.
 */
export class Subscriber {
  readonly #url: string;
  readonly #own: string;
  readonly #ownName: Buffer;
  readonly #hooks: SubscriberHooks;
  readonly #wanted = new Set<string>();
  /** On this connection: true once confirmed, a promise until then. */
  readonly #subscribed = new Map<string, true | Promise<boolean>>();
  readonly #leaving = new Map<string, NodeJS.Timeout | undefined>();
  readonly #marks = new Map<string, () => void>();
  #gathering: { channels: string[]; done: Promise<boolean> } | undefined;
  #redis: Redis | undefined;
  #liveness: Liveness | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #stopped = false;

  constructor(url: string, ownChannel: (id: string) => string, hooks: SubscriberHooks) {
    this.#url = url;
    this.#own = ownChannel(shortId());
    this.#ownName = Buffer.from(this.#own);
    this.#hooks = hooks;
  }

  async start(): Promise<void> {
    await this.#open();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    this.#leaving.clear();
    this.#close();
  }

  ready(): boolean {
    return this.#redis !== undefined;
  }

  /** True once all of them are confirmed; false when the connection fell, and then `restored` follows. */
  async add(channels: readonly string[]): Promise<boolean> {
    const waits = new Set<Promise<boolean>>();
    for (const channel of channels) {
      this.#wanted.add(channel);
      this.#stay(channel);
      const state = this.#subscribed.get(channel) ?? this.#gather(channel);
      if (state !== true) waits.add(state);
    }
    for (const confirmed of waits) if (!(await confirmed)) return false;
    return true;
  }

  /** Not at once: see `lingerMs`. */
  remove(channels: readonly string[]): void {
    const gone = channels.filter((channel) => this.#wanted.delete(channel));
    if (gone.length === 0 || this.#stopped) return;
    const timer = setTimeout(() => this.#leave(gone), lingerMs);
    timer.unref();
    for (const channel of gone) this.#leaving.set(channel, timer);
  }

  /** Runs `passed` at an exact place in the stream of messages: behind all that were published before now. */
  mark(passed: () => void): Promise<boolean> {
    const redis = this.#redis;
    if (!redis) return Promise.resolve(false);
    const name = `mark ${shortId()}`;
    return new Promise((resolve) => {
      const lost = (): void => {
        this.#marks.delete(name);
        resolve(false);
      };
      this.#marks.set(name, () => {
        this.#marks.delete(name);
        redis.off('end', lost);
        passed();
        resolve(true);
      });
      redis.once('end', lost);
      // Without an answer nobody knows where the mark is; on a new connection the question is put again.
      redis.publish(this.#own, name).catch(() => this.#fell(redis));
    });
  }

  #stay(channel: string): void {
    this.#leaving.delete(channel);
  }

  #leave(channels: string[]): void {
    const due = channels.filter((channel) => this.#leaving.delete(channel) && this.#subscribed.delete(channel));
    for (let i = 0; i < due.length; i += maxChannels) {
      this.#redis?.unsubscribe(...due.slice(i, i + maxChannels)).catch(() => undefined);
    }
  }

  #gather(channel: string): Promise<boolean> {
    if (!this.#gathering) {
      const channels: string[] = [];
      const done = Promise.resolve().then(() => {
        this.#gathering = undefined;
        return this.#subscribe(channels);
      });
      this.#gathering = { channels, done };
    }
    this.#gathering.channels.push(channel);
    this.#subscribed.set(channel, this.#gathering.done);
    return this.#gathering.done;
  }

  async #subscribe(channels: readonly string[]): Promise<boolean> {
    const redis = this.#redis;
    if (!redis) {
      for (const channel of channels) this.#subscribed.delete(channel);
      return false;
    }
    if (!(await this.#subscribeOn(redis, channels))) {
      this.#fell(redis);
      return false;
    }
    for (const channel of channels) if (this.#subscribed.has(channel)) this.#subscribed.set(channel, true);
    return this.#redis === redis;
  }

  async #subscribeOn(redis: Redis, channels: readonly string[]): Promise<boolean> {
    try {
      for (let i = 0; i < channels.length; i += maxChannels) {
        await redis.subscribe(...channels.slice(i, i + maxChannels));
      }
      return true;
    } catch {
      return false;
    }
  }

  async #open(): Promise<void> {
    const redis = openOnce(this.#url);
    redis.on('error', () => undefined);
    redis.on('messageBuffer', (channel: Buffer, payload: Buffer) => this.#message(channel, payload));
    try {
      await redis.connect();
      await redis.subscribe(this.#own);
    } catch (error) {
      tearDown(redis);
      throw error;
    }
    // What is asked for while these are being confirmed waits in the set and is taken in the next round.
    for (let missing = [...this.#wanted]; missing.length > 0;) {
      if (!(await this.#subscribeOn(redis, missing))) {
        tearDown(redis);
        throw new Error('the subscriptions were not confirmed');
      }
      for (const channel of missing) this.#subscribed.set(channel, true);
      missing = [...this.#wanted].filter((channel) => this.#subscribed.get(channel) !== true);
    }
    if (this.#stopped) return tearDown(redis);
    this.#redis = redis;
    this.#failures = 0;
    redis.once('end', () => this.#fell(redis));
    if (redis.status === 'end') return this.#fell(redis);
    this.#liveness = new Liveness(
      (probe) => redis.publish(this.#own, probe),
      () => this.#fell(redis),
    );
  }

  #message(channel: Buffer, payload: Buffer): void {
    this.#liveness?.heard();
    if (!channel.equals(this.#ownName)) return this.#hooks.message(channel, payload);
    const text = payload.toString();
    this.#liveness?.probe(text);
    this.#marks.get(text)?.();
  }

  #fell(redis: Redis): void {
    if (this.#redis !== redis) return;
    this.#close();
    if (!this.#stopped) this.#reopenLater();
  }

  #close(): void {
    const redis = this.#redis;
    this.#redis = undefined;
    this.#liveness?.stop();
    this.#subscribed.clear();
    if (!redis) return;
    redis.removeAllListeners('messageBuffer');
    tearDown(redis);
  }

  #reopenLater(): void {
    const delay = Math.min(50 * 2 ** Math.min(this.#failures++, 5), 1000);
    this.#retry = setTimeout(() => void this.#reopen(), delay);
  }

  async #reopen(): Promise<void> {
    try {
      await this.#open();
    } catch {
      this.#subscribed.clear();
      if (!this.#stopped) this.#reopenLater();
      return;
    }
    if (this.#redis) this.#hooks.restored();
  }
}
