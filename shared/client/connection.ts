import { errorTable } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { closeAdvice, closeCodes } from '../protocol/close-codes.ts';
import type { HelloResult } from '../protocol/hello.ts';
import { protocolVersion } from '../protocol/version.ts';
import { Backoff } from './backoff.ts';
import type { Encoded } from './codec.ts';
import { AgentwireError, asError, errorOf } from './errors.ts';
import type { ClientEvents } from './events.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Settings } from './options.ts';
import { failureIn, isMap } from './requests.ts';
import type { Link } from './requests.ts';
import { Socket } from './socket.ts';

/** docs/client.md has the table of what leads from one to the other. */
export type ConnectionState = 'idle' | 'connecting' | 'connected' | 'waiting' | 'stopped' | 'closed';

export interface ConnectionPorts {
  /** The server has answered the greeting. */
  up(hello: HelloResult): void;
  /** The connection is gone, before anything is said of it. */
  down(): void;
  frame(frame: Readonly<Record<string, unknown>>): void;
  /** No more attempts until `start` is called again. */
  stopped(error: AgentwireError): void;
  emit<K extends 'disconnected' | 'reconnecting'>(name: K, event: ClientEvents[K]): void;
  report(error: Error): void;
}

/** For the token, the socket and the greeting together. */
const connectTimeoutMs = 10_000;
/** A connection that lived so long was a good one: the next pause begins small again. */
const stableMs = 5000;
/** Not one of WebSocket's: the connection was given up on this side. */
const lostCode = 1006;
const helloId = 'hello';

/** One connection after the other, with pauses between them. */
export class Connection implements Link {
  readonly #settings: Settings;
  readonly #ports: ConnectionPorts;
  readonly #backoff: Backoff;
  readonly #heartbeat: Heartbeat;
  #state: ConnectionState = 'idle';
  #socket: Socket | undefined;
  #cancelTimer: (() => void) | undefined;
  /** Counts attempts, so that a token that comes late is known to be for an earlier one. */
  #turn = 0;
  /** Attempts in a row that led to no connection. */
  #failures = 0;
  #attempts = 0;
  #upAt = 0;
  #tokenRefused = false;
  #leaving = false;

  constructor(settings: Settings, ports: ConnectionPorts) {
    this.#settings = settings;
    this.#ports = ports;
    this.#backoff = new Backoff(settings.random);
    this.#heartbeat = new Heartbeat(settings.clock, {
      ping: () => this.#socket?.send(settings.codec.encode({ type: 'ping' })),
      dead: () => this.#lost(lostCode, 'no sign of life from the server'),
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get up(): boolean {
    return this.#state === 'connected' && !this.#leaving;
  }

  send(encoded: Encoded): void {
    this.#socket?.send(encoded);
  }

  start(): void {
    if (this.#state !== 'idle' && this.#state !== 'stopped') return;
    this.#failures = 0;
    this.#attempts = 0;
    this.#tokenRefused = false;
    this.#backoff.reset();
    void this.#attempt();
  }

  /** Nothing more is sent on this connection; what arrives still counts. */
  hold(): void {
    this.#leaving = true;
  }

  /** The server has asked for it: away from here, and at once somewhere else. */
  move(reason: string): void {
    if (this.#state !== 'connected') return;
    this.#end(closeCodes.draining.code, reason, true);
    if (this.state === 'waiting') void this.#attempt();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#end(1000, 'closed by the application', false);
    this.#state = 'closed';
  }

  async #attempt(): Promise<void> {
    const turn = ++this.#turn;
    const settings = this.#settings;
    this.#state = 'connecting';
    this.#cancelTimer = settings.clock.later(connectTimeoutMs, () => this.#lost(lostCode, 'no connection in time'));
    try {
      const token = await settings.token(this.#tokenRefused);
      if (turn !== this.#turn) return;
      this.#socket = new Socket(settings.WebSocket, settings.url, settings.codec.protocol, {
        open: () => this.#greet(token),
        message: (data) => this.#message(data),
        closed: (code, reason) => this.#lost(code, reason),
      });
    } catch (thrown) {
      if (turn !== this.#turn) return;
      this.#ports.report(asError(thrown));
      this.#lost(lostCode, 'the attempt failed');
    }
  }

  #greet(token: string | undefined): void {
    const hello = { type: 'hello', id: helloId, versions: [protocolVersion], client: 'agentwire-client' };
    this.send(this.#settings.codec.encode(token === undefined ? hello : { ...hello, token }));
  }

  #message(data: unknown): void {
    this.#heartbeat.heard();
    const frame = this.#settings.codec.decode(data);
    if (!frame.ok || !isMap(frame.value)) {
      // If it was an event, the next one of its topic shows the hole.
      this.#ports.report(new AgentwireError('bad_frame', `the server's frame: ${frame.ok ? 'no map' : frame.message}`));
    } else if (this.#state === 'connected') {
      this.#ports.frame(frame.value);
    } else {
      this.#greeted(frame.value);
    }
  }

  #greeted(frame: Readonly<Record<string, unknown>>): void {
    if (frame['type'] === 'ok' && frame['id'] === helloId) {
      this.#clearTimer();
      this.#state = 'connected';
      this.#failures = 0;
      this.#attempts = 0;
      this.#tokenRefused = false;
      this.#upAt = this.#settings.clock.now();
      const hello = frame['result'] as HelloResult;
      this.#heartbeat.start(hello.heartbeat);
      this.#ports.up(hello);
    } else if (frame['type'] === 'error') {
      const failure = failureIn(frame);
      if (failure.ok) return;
      if (failure.code === 'unauthenticated') this.#lost(closeCodes.unauthenticated.code, failure.message);
      else if (errorTable[failure.code].retryable) this.#lost(lostCode, failure.message);
      else this.#stop(lostCode, errorOf(failure));
    }
  }

  #lost(code: number, reason: string): void {
    const wasUp = this.#state === 'connected';
    if (code === closeCodes.unauthenticated.code && this.#settings.refreshes && !this.#tokenRefused) {
      this.#tokenRefused = true;
    } else if (closeAdvice(code) === 'stop') {
      this.#stop(code, new AgentwireError(errorFor(code), reason === '' ? undefined : reason));
      return;
    }
    if (!wasUp) this.#failures += 1;
    if (this.#failures >= this.#settings.maxAttempts) {
      this.#stop(code, new AgentwireError('unavailable', `no connection after ${this.#failures} attempts: ${reason}`));
      return;
    }
    if (wasUp && this.#settings.clock.now() - this.#upAt >= stableMs) this.#backoff.reset();
    if (code === closeCodes.flooding.code) this.#backoff.exhaust();
    this.#end(code, reason, true);
    // The handlers of 'disconnected' may have closed the client.
    if (this.state === 'waiting') this.#pause();
  }

  #pause(): void {
    const delayMs = this.#backoff.next();
    this.#attempts += 1;
    this.#cancelTimer = this.#settings.clock.later(delayMs, () => void this.#attempt());
    this.#ports.emit('reconnecting', { attempt: this.#attempts, delayMs });
  }

  #stop(code: number, error: AgentwireError): void {
    this.#end(code, error.message, false);
    if (this.state !== 'waiting') return;
    this.#state = 'stopped';
    this.#ports.stopped(error);
  }

  /** Leaves nothing behind of the present attempt or connection. */
  #end(code: number, reason: string, willReconnect: boolean): void {
    const wasUp = this.#state === 'connected';
    this.#turn += 1;
    this.#leaving = false;
    this.#clearTimer();
    this.#heartbeat.stop();
    this.#socket?.discard();
    this.#socket = undefined;
    this.#state = 'waiting';
    if (!wasUp) return;
    this.#ports.down();
    this.#ports.emit('disconnected', { code, reason, willReconnect });
  }

  #clearTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

function errorFor(code: number): ErrorCode {
  if (code === closeCodes.unauthenticated.code) return 'unauthenticated';
  if (code === closeCodes.origin_refused.code) return 'forbidden';
  return code === closeCodes.frame_too_large.code ? 'payload_too_large' : 'bad_frame';
}
