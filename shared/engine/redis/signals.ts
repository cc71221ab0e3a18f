import { fail, ok, type Result } from '../../base/errors.ts';
import type { Signals } from '../engine.ts';
import type { ChannelHooks, Channels } from './channels.ts';
import type { Keys } from './keys.ts';
import type { Store } from './store.ts';

type Handler = (payload: string) => void;

/** A signal is worth nothing later; beyond this many under way, further ones are lost like those to somebody away. */
const maxUnderWay = 10_000;

/** Signals have a connection of their own: a cancel must not queue behind a flood of events. */
export class RedisSignals implements Signals {
  readonly #keys: Keys;
  readonly #store: Store;
  readonly #channels: Channels;
  readonly #handlers = new Map<string, Set<Handler>>();
  #underWay = 0;

  constructor(keys: Keys, store: Store, open: (hooks: ChannelHooks) => Channels) {
    this.#keys = keys;
    this.#store = store;
    this.#channels = open({
      message: (channel, payload) => this.#message(channel.toString(), payload.toString()),
      restored: () => undefined,
    });
  }

  start(): Promise<void> {
    return this.#channels.start();
  }

  stop(): void {
    this.#channels.stop();
  }

  send(name: string, payload: string): void {
    if (this.#underWay >= maxUnderWay) return;
    this.#underWay++;
    const channel = this.#keys.signalChannel(name);
    void this.#store
      .run(this.#keys.partitionOf(name), (redis) =>
        this.#store.sharded ? redis.spublish(channel, payload) : redis.publish(channel, payload),
      )
      .then(() => this.#underWay--);
  }

  async on(name: string, handler: Handler): Promise<Result<() => void>> {
    const channel = this.#keys.signalChannel(name);
    const handlers = this.#handlers.get(channel) ?? new Set();
    this.#handlers.set(channel, handlers);
    // One more entry for one more call, also of a function that listens already.
    const entry: Handler = (payload) => handler(payload);
    handlers.add(entry);
    const off = (): void => {
      handlers.delete(entry);
      if (handlers.size > 0 || this.#handlers.get(channel) !== handlers) return;
      this.#handlers.delete(channel);
      this.#channels.remove([channel]);
    };
    if (await this.#channels.add([channel])) return ok(off);
    off();
    return fail('unavailable');
  }

  #message(channel: string, payload: string): void {
    for (const handler of this.#handlers.get(channel) ?? []) handler(payload);
  }
}
