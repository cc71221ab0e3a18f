import type { Redis } from 'ioredis';
import { openOnce, tearDown, type RedisTarget } from './open.ts';

/** A server that gets thousands of names in one command stops serving others meanwhile. */
const maxChannels = 512;

export interface ChannelConnectionHooks {
  message(channel: Buffer, payload: Buffer): void;
  /** It fell; or the node gave up one of its channels, because their slot went to another node. */
  ended(): void;
}

/** The one life of a subscriber's connection. On a node of a cluster its channels are sharded: SSUBSCRIBE and so on. */
export class ChannelConnection {
  readonly #redis: Redis;
  readonly #sharded: boolean;
  readonly #hooks: ChannelConnectionHooks;
  #closed = false;

  constructor(target: RedisTarget, hooks: ChannelConnectionHooks) {
    this.#redis = openOnce(target);
    this.#sharded = target.sharded;
    this.#hooks = hooks;
    this.#redis.on('error', () => undefined);
    this.#redis.on('end', () => this.#ended());
    // Said by ioredis when the node answers SSUBSCRIBE with MOVED, or unsubscribes us of its own accord.
    this.#redis.on('moved', () => this.#ended());
    this.#redis.on(this.#sharded ? 'smessageBuffer' : 'messageBuffer', (channel: Buffer, payload: Buffer) => {
      if (!this.#closed) hooks.message(channel, payload);
    });
  }

  async connect(): Promise<void> {
    await this.#redis.connect();
  }

  async subscribe(channels: readonly string[]): Promise<boolean> {
    try {
      for (const names of this.#batches(channels)) {
        await (this.#sharded ? this.#redis.ssubscribe(...names) : this.#redis.subscribe(...names));
      }
      return !this.#closed;
    } catch {
      return false;
    }
  }

  unsubscribe(channels: readonly string[]): void {
    for (const names of this.#batches(channels)) {
      const done = this.#sharded ? this.#redis.sunsubscribe(...names) : this.#redis.unsubscribe(...names);
      done.catch(() => undefined);
    }
  }

  publish(channel: string, text: string): Promise<unknown> {
    return this.#sharded ? this.#redis.spublish(channel, text) : this.#redis.publish(channel, text);
  }

  close(): void {
    this.#closed = true;
    tearDown(this.#redis);
  }

  #ended(): void {
    if (this.#closed) return;
    this.close();
    this.#hooks.ended();
  }

  /** The names of one command: not too many, and in a cluster of one slot. */
  #batches(channels: readonly string[]): string[][] {
    const bySlot = new Map<string, string[]>();
    for (const channel of channels) {
      const slot = this.#sharded ? channel.slice(channel.indexOf('{'), channel.indexOf('}')) : '';
      const names = bySlot.get(slot);
      if (names) names.push(channel);
      else bySlot.set(slot, [channel]);
    }
    const batches: string[][] = [];
    for (const names of bySlot.values()) {
      for (let i = 0; i < names.length; i += maxChannels) batches.push(names.slice(i, i + maxChannels));
    }
    return batches;
  }
}
