import { fail } from '../base/errors.ts';
import type { Failure } from '../base/errors.ts';
import type { HelloResult } from '../protocol/hello.ts';
import { Calls } from './calls.ts';
import type { Caller } from './calls.ts';
import { Connection } from './connection.ts';
import { Delivery } from './delivery.ts';
import { Emitter } from './emitter.ts';
import { AgentwireError, errorOf } from './errors.ts';
import type { AgentwireEvent } from './events.ts';
import { LastingRequests } from './lasting.ts';
import type { Settings } from './options.ts';
import { Outgoing } from './outgoing.ts';
import { Positions } from './positions.ts';
import { Recovery } from './recovery.ts';
import { Registry } from './registry.ts';
import { failureIn, Requests } from './requests.ts';
import { Runs } from './runs.ts';
import { Settling } from './settling.ts';
import { Subscriptions } from './subscriptions.ts';

/** How long answers may take that are still to come on a connection that the server wants to be left. */
const lastAnswersMs = 2000;

/** Puts the parts of a client together, and brings each frame and each change of the connection to the part that it concerns. */
export class Core implements Caller {
  readonly emitter = new Emitter();
  readonly registry = new Registry();
  readonly connection: Connection;
  readonly subscriptions: Subscriptions;
  readonly outgoing: Outgoing;
  readonly runs: Runs;
  readonly #calls: Calls;
  readonly #settings: Settings;
  readonly #requests: Requests;
  readonly #lasting: LastingRequests;
  readonly #settling: Settling;
  readonly #delivery: Delivery;
  #connecting: { resolve: () => void; reject: (error: AgentwireError) => void }[] = [];
  #cancelLeave: (() => void) | undefined;
  #everUp = false;
  #stoppedBy: AgentwireError | undefined;

  constructor(settings: Settings) {
    const { emitter, registry } = this;
    const { report } = emitter;
    const positions = new Positions();
    this.#settings = settings;
    const link = (this.connection = new Connection(settings, {
      up: (hello) => this.#up(hello),
      down: () => this.#down(),
      frame: (frame) => this.#frame(frame),
      stopped: (error) => this.#stopped(error),
      emit: (name, event) => emitter.emit(name, event),
      report,
    }));
    const requests = (this.#requests = new Requests(settings.codec, link));
    const settling = new Settling(settings.clock, registry, positions, (patterns) => this.#askAgain(patterns));
    this.#settling = settling;
    const recovery = new Recovery(registry, positions, settling, (gap) => emitter.emit('gap', gap));
    const lasting = (this.#lasting = new LastingRequests(requests, link, settings));
    const runs = (this.runs = new Runs({ requests, lasting, link, settings, registry }));
    this.subscriptions = new Subscriptions({
      requests,
      link,
      settings,
      registry,
      positions,
      settling,
      recovery,
      runs,
      report,
    });
    this.outgoing = new Outgoing(requests, link, settings);
    this.#calls = new Calls(requests, link, settings);
    this.#delivery = new Delivery(registry, positions, settling, emitter, runs);
  }

  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { connection } = this;
      if (connection.state === 'closed') throw closedError();
      if (connection.state === 'connected') return resolve();
      this.#stoppedBy = undefined;
      this.#connecting.push({ resolve, reject });
      connection.start();
    });
  }

  close(): void {
    const failure = fail('unavailable', 'the client was closed before the answer came');
    this.connection.close();
    this.#failAll(failure);
    this.subscriptions.endAll(failure);
    this.runs.failAll(failure);
    // Last, so that no run takes an answer for one of the server's.
    this.#lasting.close(failure);
  }

  /** Why nothing new is taken on, if so. */
  refusal(): AgentwireError | undefined {
    return this.connection.state === 'closed' ? closedError() : this.#stoppedBy;
  }

  call(frame: Readonly<Record<string, unknown>>, again: boolean, timeoutMs?: number): Promise<unknown> {
    const refused = this.refusal();
    return refused ? Promise.reject(refused) : this.#calls.call(frame, again, timeoutMs);
  }

  #up(hello: HelloResult): void {
    const { maxFrameBytes } = hello.limits;
    for (const part of [this.subscriptions, this.outgoing, this.#calls, this.#lasting])
      part.maxFrameBytes = maxFrameBytes;
    // Before what was published meanwhile, so that the events of it come by the subscriptions that are there already.
    this.subscriptions.linkUp();
    this.outgoing.linkUp();
    this.#calls.linkUp();
    this.#lasting.linkUp();
    this.runs.linkUp();
    const again = this.#everUp;
    this.#everUp = true;
    for (const { resolve } of this.#connecting.splice(0)) resolve();
    const { connection, node, identity } = hello;
    this.emitter.emit('connected', { connection, node, identity, again });
  }

  #down(): void {
    this.#cancelLeave?.();
    this.#cancelLeave = undefined;
    this.subscriptions.linkDown();
    this.outgoing.linkDown();
    this.#lasting.linkDown();
    this.runs.linkDown();
    this.#requests.linkDown();
  }

  #frame(frame: Readonly<Record<string, unknown>>): void {
    switch (frame['type']) {
      case 'event':
        this.#delivery.event(frame as unknown as AgentwireEvent);
        return;
      case 'ok':
      case 'pong':
        this.#requests.settle(frame);
        return;
      case 'error':
        if (!this.#requests.settle(frame)) this.#reportUnasked(frame);
        return;
      case 'dropped':
        this.#delivery.dropped(frame);
        return;
      case 'goaway':
        this.#goaway(frame);
    }
    // Anything else is of a later version of the protocol, which may grow.
  }

  /** Once, and at the moment given: the server has spread its clients over the time that it has. */
  #goaway(frame: Readonly<Record<string, unknown>>): void {
    const reason = typeof frame['reason'] === 'string' ? frame['reason'] : '';
    const reconnectAfterMs = Math.max(0, Number(frame['reconnectAfterMs']) || 0);
    const { clock } = this.#settings;
    this.#cancelLeave ??= clock.later(reconnectAfterMs, () => {
      const leave = (): void => this.connection.move(reason);
      this.#cancelLeave = clock.later(lastAnswersMs, leave);
      this.connection.hold();
      this.#requests.whenIdle(leave);
    });
    this.emitter.emit('goaway', { reason, reconnectAfterMs });
  }

  #stopped(error: AgentwireError): void {
    const failure = fail(error.code, error.message, error.details);
    this.#stoppedBy = error;
    this.#failAll(failure);
    this.subscriptions.failWaiting(failure);
    this.runs.failWaiting(failure);
    this.emitter.report(error);
  }

  #failAll(failure: Failure): void {
    for (const { reject } of this.#connecting.splice(0)) reject(errorOf(failure));
    this.outgoing.failAll(failure);
    this.#calls.failAll(failure);
    this.#lasting.failStarts(failure);
  }

  #reportUnasked(frame: Readonly<Record<string, unknown>>): void {
    const failure = failureIn(frame);
    if (!failure.ok) this.emitter.report(errorOf(failure));
  }

  #askAgain(patterns: string[]): void {
    this.#requests.ask({ type: 'subscribe', topics: patterns }, (answer) => {
      if (answer === 'lost') return;
      this.#settling.confirmed(answer.ok ? (answer.value as { time: number }).time : undefined);
    });
  }
}

function closedError(): AgentwireError {
  return new AgentwireError('conflict', 'the client is closed');
}
