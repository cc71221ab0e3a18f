import { newId } from '../base/ids.ts';
import type { HistoryResult, PublishResult } from '../protocol/publish.ts';
import type { Since } from '../protocol/subscribe.ts';
import { patternFault, topicFault } from '../topics/grammar.ts';
import { Checkpoints } from './checkpoints.ts';
import type { ConnectionState } from './connection.ts';
import { Core } from './core.ts';
import { AgentwireError } from './errors.ts';
import type { AgentwireEvent, ClientEvents } from './events.ts';
import type { Handler } from './handlers.ts';
import { settingsOf } from './options.ts';
import type { ClientOptions } from './options.ts';
import type { PublishOptions } from './outgoing.ts';
import { AgentRun } from './run.ts';
import type { RunOptions } from './run.ts';
import { Sessions } from './sessions.ts';
import { refusedSubscription, subscribeTo } from './subscription.ts';
import type { Subscribing } from './subscription.ts';

export interface SubscribeOptions {
  /** Where to begin; default `latest`. Of no effect on a string that is subscribed to already. */
  since?: Since;
  /** Events that may wait for a loop; for one more the oldest is dropped. Default 1,000. */
  buffer?: number;
}

export interface HistoryOptions {
  after?: number;
  limit?: number;
  reverse?: boolean;
}

/** These change what the client itself keeps track of. */
const ownRequests = new Set(['hello', 'subscribe', 'unsubscribe', 'publish']);

/** A connection to Agentwire that outlives its sockets; docs/client.md says what it promises. */
export class AgentwireClient {
  readonly sessions: Sessions;
  readonly checkpoints: Checkpoints;
  readonly #core: Core;

  constructor(options: ClientOptions) {
    this.#core = new Core(settingsOf(options));
    this.sessions = new Sessions(this.#core);
    this.checkpoints = new Checkpoints(this.#core);
  }

  get state(): ConnectionState {
    return this.#core.connection.state;
  }

  /** Resolves with the first connection; rejects when the client stops or is closed before. */
  connect(): Promise<void> {
    return this.#core.connect();
  }

  /** For good: what waits for an answer is rejected, loops end, and no timer is left. */
  close(): Promise<void> {
    this.#core.close();
    return Promise.resolve();
  }

  subscribe<Data = unknown>(topic: string, options: SubscribeOptions): Subscribing<Data>;
  subscribe<Data = unknown>(
    topic: string,
    handler?: Handler<AgentwireEvent<Data>>,
    options?: SubscribeOptions,
  ): Subscribing<Data>;
  subscribe(
    topic: string,
    handler?: Handler<AgentwireEvent<never>> | SubscribeOptions,
    options: SubscribeOptions = {},
  ): Subscribing<unknown> {
    const { subscriptions, emitter } = this.#core;
    const called = typeof handler === 'function' ? (handler as Handler<AgentwireEvent>) : undefined;
    const { since = 'latest', buffer = 1000 } = typeof handler === 'object' ? handler : options;
    const refused = this.#core.refusal() ?? badName(topic, patternFault);
    if (refused) return refusedSubscription(refused);
    const entry = subscriptions.hold(topic, since);
    return subscribeTo(entry, called, { emitter, buffer, release: (released) => subscriptions.release(released) });
  }

  /** Undoes all subscriptions to this very string. */
  unsubscribe(topic: string): void {
    const entry = this.#core.registry.get(topic);
    if (!entry) return;
    for (const end of entry.enders) end(undefined);
    entry.holders = 1;
    this.#core.subscriptions.release(entry);
  }

  /** Resolves with the position. While there is no connection it waits its turn, as far as `queueLimit` allows. */
  publish(topic: string, data: unknown, options: PublishOptions = {}): Promise<PublishResult> {
    const refused = this.#core.refusal() ?? badName(topic, topicFault);
    return refused ? Promise.reject(refused) : this.#core.outgoing.publish(topic, data, options);
  }

  history(topic: string, options: HistoryOptions = {}): Promise<HistoryResult> {
    const refused = badName(topic, topicFault);
    if (refused) return Promise.reject(refused);
    return this.#core.call({ ...options, type: 'history', topic }, true) as Promise<HistoryResult>;
  }

  /**
   * Starts an agent, once, whatever becomes of the connection. While there is none it waits its turn, as far as
   * `queueLimit` allows.
   */
  run<Result = unknown>(agent: string, input: unknown, options: RunOptions = {}): AgentRun<Result> {
    const refused = this.#core.refusal();
    const frame = { ...options, type: 'run', agent, input, key: options.key ?? newId() };
    return new AgentRun(refused ? Promise.reject(refused) : this.#core.runs.start(frame), 0, this.#core);
  }

  /** A run that was started elsewhere, from its first event on, or from the one after `after`. */
  attach<Result = unknown>(invocation: string, { after = 0 }: { after?: number } = {}): AgentRun<Result> {
    const refused = this.#core.refusal() ?? badName(`run.${invocation}`, topicFault);
    const run = refused ? Promise.reject(refused) : Promise.resolve(this.#core.runs.attach(invocation, after));
    return new AgentRun(run, after, this.#core);
  }

  /**
   * Any other request, as a frame without `id`; resolves with its `result`. It is never sent twice, unless with `again`:
   * then it is sent again after a reconnect, within its time, since doing it twice does no harm.
   */
  request<Result = unknown>(
    frame: { readonly type: string; readonly [field: string]: unknown },
    { timeoutMs, again = false }: { timeoutMs?: number; again?: boolean } = {},
  ): Promise<Result> {
    const { type } = frame;
    if (ownRequests.has(type))
      return Promise.reject(new AgentwireError('bad_request', `${type} has a method of its own`));
    return this.#core.call(frame, again, timeoutMs) as Promise<Result>;
  }

  /**
   * Calls the handler from now on, until the function given back is called: for what happens to the client by its name,
   * else for each event of a topic or pattern that comes by any subscription. It makes no subscription. Throws for a bad name.
   */
  on<Name extends keyof ClientEvents>(name: Name, handler: Handler<ClientEvents[Name]>): () => void;
  on<Data = unknown>(topic: string, handler: Handler<AgentwireEvent<Data>>): () => void;
  on(name: string, handler: Handler<never>): () => void {
    return this.#core.emitter.on(name, handler);
  }

  /** As `on`, for one time. */
  once<Name extends keyof ClientEvents>(name: Name, handler: Handler<ClientEvents[Name]>): () => void;
  once<Data = unknown>(topic: string, handler: Handler<AgentwireEvent<Data>>): () => void;
  once(name: string, handler: Handler<never>): () => void {
    const called = (event: never): unknown => {
      off();
      return handler(event);
    };
    const off = this.#core.emitter.on(name, called, handler);
    return off;
  }

  /** What `on` or `once` has added. */
  off(name: string, handler: Handler<never>): void {
    this.#core.emitter.off(name, handler);
  }

  /** For what stands on the client: a fault that has no promise to reject is told as its `error`. */
  report(error: Error): void {
    this.#core.emitter.report(error);
  }
}

function badName(topic: unknown, faultOf: (name: string) => string | undefined): AgentwireError | undefined {
  const fault = typeof topic === 'string' ? faultOf(topic) : 'it is no string';
  if (fault === undefined) return undefined;
  const shown = typeof topic === 'string' ? JSON.stringify(topic.slice(0, 80)) : typeof topic;
  return new AgentwireError('bad_request', `${shown} cannot be used: ${fault}`);
}
