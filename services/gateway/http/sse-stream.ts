import type { Result } from '../../../shared/base/errors.ts';
import type { Identity } from '../../../shared/domain/identity.ts';
import { closeCodes } from '../../../shared/protocol/close-codes.ts';
import type { CloseName } from '../../../shared/protocol/close-codes.ts';
import { encodeUtf8 } from '../../../shared/wire/utf8.ts';
import type { Broker } from '../core/broker.ts';
import type { Caller } from '../core/caller.ts';
import type { Connections } from '../core/connections.ts';
import { blockedFor } from '../core/kept.ts';
import type { Kept, Pending } from '../core/kept.ts';
import { perform } from '../core/operations.ts';
import type { InputOf } from '../core/operations.ts';
import type { StreamHandler } from '../core/transport.ts';
import type { Format } from '../hub/format.ts';
import type { Socket } from '../hub/ports.ts';
import type { Subscriber } from '../hub/subscriber.ts';
import type { Prepared, Subscribed } from '../hub/subscribing.ts';
import type { SseSocket } from './sse-socket.ts';

/** Proxies give up a response that is silent for long, many after half a minute. */
const commentMs = 15_000;
const comment = encodeUtf8(':\n\n');

/** What it counts as where connections are counted by dialect. */
export const sseDialect = 'sse';

/** One SSE response as a connection: it has subscriptions, and asks for nothing more. */
export class SseStream implements Kept, StreamHandler, Caller {
  readonly identity: Identity | undefined;
  readonly subscriber: Subscriber;
  readonly #broker: Broker;
  readonly #connections: Connections;
  readonly #socket: SseSocket;
  readonly #resumes: boolean;
  #prepared: Prepared | undefined = undefined;
  #open = false;
  #saidAt = 0;

  constructor(
    door: { broker: Broker; connections: Connections },
    identity: Identity | undefined,
    socket: SseSocket,
    format: Format,
    resumes = true,
  ) {
    this.identity = identity;
    this.#broker = door.broker;
    this.#connections = door.connections;
    this.#socket = socket;
    this.#resumes = resumes;
    socket.onClosed = () => this.gone();
    this.subscriber = door.broker.hub.connect(socket, format);
  }

  /** What is wrong with the request shows here. After that it is opened, or given up by `gone`. */
  async prepare(input: InputOf<'subscribe'>): Promise<Result<unknown>> {
    const prepared = await perform(this.#broker, this, 'subscribe', input);
    if (prepared.ok) this.#prepared = prepared.value;
    else this.gone();
    return prepared;
  }

  /** `greet` says what stands before the first event. */
  open(sink: Socket, greet: (subscriptions: readonly Subscribed[]) => string): StreamHandler {
    const { hub, metrics, clock } = this.#broker;
    this.#open = true;
    this.#saidAt = clock.now();
    this.#connections.add(this);
    metrics.stats.connections += 1;
    metrics.opened(sseDialect);
    this.#socket.open(sink);
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (prepared) {
      const greeting = greet(prepared.attach());
      if (greeting !== '') hub.send(this.subscriber, encodeUtf8(greeting));
      this.#socket.owe(prepared.time);
      prepared.begin();
    }
    return this;
  }

  /** Who is closed between two events comes back by itself, with the id of the last one, if the stream has ids. */
  get pending(): Pending {
    if (this.subscriber.closed) return 'nothing';
    if (!this.#resumes) return 'run';
    return this.subscriber.cursor ? 'replay' : 'nothing';
  }

  drained(): void {
    this.#broker.hub.drained(this.subscriber);
  }

  gone(): void {
    if (this.subscriber.closed) return;
    this.#broker.hub.disconnect(this.subscriber);
    // Subscribes to nothing any more, but gives back what was taken for it.
    this.#prepared?.attach();
    if (!this.#open) return;
    this.#connections.remove(this);
    this.#broker.metrics.stats.connections -= 1;
  }

  tend(now: number): void {
    if (blockedFor(this.subscriber, now) >= this.#broker.config.clientTimeoutMs) {
      this.close('no_sign_of_life');
    } else if (now - this.#saidAt >= commentMs) {
      this.#saidAt = now;
      // Refused where something waits already: then there is no silence to break.
      this.#socket.send(comment);
    }
  }

  close(name: CloseName): void {
    if (this.subscriber.closed) return;
    this.#broker.metrics.closed(name);
    this.#socket.close(closeCodes[name].code, closeCodes[name].says);
  }

  /** All that was asked for has come. */
  end(): void {
    this.#socket.close(1000, 'the end');
  }
}
