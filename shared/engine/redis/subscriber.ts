import { shortId } from '../../base/ids.ts';
import { ChannelConnection } from './channel-connection.ts';
import type { ChannelHooks, Channels } from './channels.ts';
import { Liveness } from './liveness.ts';
import type { RedisTarget } from './open.ts';

export interface SubscriberHooks extends ChannelHooks {
  /** The connection fell. */
  lost?(): void;
}

/** A channel is given up this long after its last user. */
const lingerMs = 3000;

/**
 * One connection that holds the channels asked for, whatever happens to it: it is probed, remade when it falls, and
 * subscribed again.
 */
export class Subscriber implements Channels {
  readonly #target: RedisTarget;
  readonly #ownChannel: () => string;
  readonly #hooks: SubscriberHooks;
  readonly #wanted = new Set<string>();
  /** On this connection: true once confirmed, a promise until then. */
  readonly #subscribed = new Map<string, true | Promise<boolean>>();
  readonly #leaving = new Map<string, NodeJS.Timeout | undefined>();
  readonly #marks = new Map<string, (passed: boolean) => void>();
  #gathering: { channels: string[]; done: Promise<boolean> } | undefined;
  #connection: ChannelConnection | undefined;
  #opening: ChannelConnection | undefined;
  #own = '';
  #ownName = Buffer.alloc(0);
  #phase: boolean;
  #liveness: Liveness | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #stopped = false;

  /** `ownChannel` names a channel of this connection alone. */
  constructor(target: RedisTarget, ownChannel: () => string, hooks: SubscriberHooks, phase = false) {
    this.#target = target;
    this.#ownChannel = ownChannel;
    this.#hooks = hooks;
    this.#phase = phase;
  }

  async start(): Promise<void> {
    await this.#open();
  }

  /** As `start`, for somebody who does not wait: `restored` follows. */
  begin(channels: readonly string[]): void {
    for (const channel of channels) this.#wanted.add(channel);
    this.#reopenLater(0);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#close();
  }

  ready(): boolean {
    return this.#connection !== undefined;
  }

  async add(channels: readonly string[]): Promise<boolean> {
    const waits = new Set<Promise<boolean>>();
    for (const channel of channels) {
      this.#wanted.add(channel);
      this.#leaving.delete(channel);
      const state = this.#subscribed.get(channel) ?? this.#gather(channel);
      if (state !== true) waits.add(state);
    }
    for (const confirmed of waits) if (!(await confirmed)) return false;
    return true;
  }

  remove(channels: readonly string[]): void {
    const gone = channels.filter((channel) => this.#wanted.delete(channel));
    if (gone.length === 0 || this.#stopped) return;
    const timer = setTimeout(() => this.#leave(gone), lingerMs);
    timer.unref();
    for (const channel of gone) this.#leaving.set(channel, timer);
  }

  mark(phase: boolean): Promise<boolean> {
    const connection = this.#connection;
    if (!connection) return Promise.resolve(false);
    const name = `mark ${shortId()}`;
    return new Promise((resolve) => {
      this.#marks.set(name, (passed) => {
        this.#marks.delete(name);
        if (passed) this.#phase = phase;
        resolve(passed);
      });
      // Without an answer nobody knows where the mark is; on a new connection the question is put again.
      connection.publish(this.#own, name).catch(() => this.#fell(connection));
    });
  }

  /** The other channels are somebody else's from now on. Nothing that is on its way here may come behind theirs. */
  keepOnly(mine: (channel: string) => boolean): void {
    for (const channel of this.#wanted) if (!mine(channel)) this.#wanted.delete(channel);
    if (this.#stopped) return;
    this.#close();
    this.#reopenLater(0);
  }

  #leave(channels: string[]): void {
    this.#connection?.unsubscribe(
      channels.filter((name) => this.#leaving.delete(name) && this.#subscribed.delete(name)),
    );
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
    const connection = this.#connection;
    if (!connection) {
      for (const channel of channels) this.#subscribed.delete(channel);
      return false;
    }
    if (!(await connection.subscribe(channels))) {
      this.#fell(connection);
      return false;
    }
    if (this.#connection !== connection) return false;
    for (const channel of channels) if (this.#subscribed.has(channel)) this.#subscribed.set(channel, true);
    return true;
  }

  /** False when it was given up on the way, because of `stop` or `keepOnly`. */
  async #open(): Promise<boolean> {
    const connection = new ChannelConnection(this.#target, {
      message: (channel, payload) => this.#message(channel, payload),
      ended: () => this.#fell(connection),
    });
    this.#opening = connection;
    const own = this.#ownChannel();
    this.#own = own;
    this.#ownName = Buffer.from(own);
    try {
      await connection.connect();
      // What is asked for while these are being confirmed waits in the set and is taken in the next round.
      for (let missing = [own, ...this.#wanted]; missing.length > 0;) {
        if (!(await connection.subscribe(missing))) throw new Error('the subscriptions were not confirmed');
        if (this.#opening !== connection) return false;
        for (const channel of missing) this.#subscribed.set(channel, true);
        missing = [...this.#wanted].filter((channel) => this.#subscribed.get(channel) !== true);
      }
    } catch (error) {
      if (this.#opening !== connection) return false;
      this.#close();
      throw error;
    }
    this.#opening = undefined;
    this.#connection = connection;
    this.#failures = 0;
    this.#liveness = new Liveness(
      (probe) => connection.publish(own, probe),
      () => this.#fell(connection),
    );
    return true;
  }

  #message(channel: Buffer, payload: Buffer): void {
    this.#liveness?.heard();
    if (!channel.equals(this.#ownName)) return this.#hooks.message(channel, payload, this.#phase);
    const text = payload.toString();
    this.#liveness?.probe(text);
    this.#marks.get(text)?.(true);
  }

  #fell(connection: ChannelConnection): void {
    if (this.#connection !== connection) return;
    this.#close();
    this.#hooks.lost?.();
    if (!this.#stopped) this.#reopenLater();
  }

  #close(): void {
    const connection = this.#connection ?? this.#opening;
    this.#connection = undefined;
    this.#opening = undefined;
    this.#liveness?.stop();
    this.#subscribed.clear();
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    this.#leaving.clear();
    for (const mark of this.#marks.values()) mark(false);
    connection?.close();
  }

  #reopenLater(delay = Math.min(50 * 2 ** Math.min(this.#failures++, 5), 1000)): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#reopen(), delay);
  }

  async #reopen(): Promise<void> {
    try {
      if (await this.#open()) this.#hooks.restored();
    } catch {
      this.#hooks.lost?.();
      if (!this.#stopped) this.#reopenLater();
    }
  }
}
