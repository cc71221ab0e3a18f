import { must } from '../../../shared/base/assert.ts';
import { newId } from '../../../shared/base/ids.ts';
import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Identity } from '../../../shared/domain/identity.ts';
import { closeCodes } from '../../../shared/protocol/close-codes.ts';
import type { CloseName } from '../../../shared/protocol/close-codes.ts';
import type { HelloResult } from '../../../shared/protocol/hello.ts';
import type { Format } from '../hub/format.ts';
import type { Subscriber } from '../hub/subscriber.ts';
import { answerFirst } from './answer-first.ts';
import type { Answerer } from './answers.ts';
import type { Broker } from './broker.ts';
import type { Caller } from './caller.ts';
import type { Client, Conversation, Settings } from './client.ts';
import { Inbox } from './inbox.ts';
import { perform } from './operations.ts';
import type { InputOf, OperationName, OutputOf } from './operations.ts';
import { blockedFor } from './kept.ts';
import type { Kept, Pending } from './kept.ts';
import { listen } from './listening.ts';
import { Order } from './order.ts';
import type { Link, LinkHandler } from './transport.ts';

const badFramesInARow = 10;

/**
 * One WebSocket between its socket and its dialect: who it is, what it has under way, when it was last heard of.
 * There may be 100,000 of them; what most never need is made when it is needed.
 */
export class Connection implements LinkHandler, Client, Caller, Answerer, Kept {
  readonly link: Link;
  identity: Identity | undefined;
  subscriber: Subscriber | undefined = undefined;
  readonly #broker: Broker;
  readonly #openedAt: number;
  #heardAt: number;
  #pingedAt: number;
  readonly #onClosed: (connection: Connection) => void;
  #conversation: Conversation | undefined = undefined;
  #inbox: Inbox | undefined = undefined;
  /** Made in this turn and not yet written. */
  #answers: Uint8Array[] | undefined = undefined;
  #badFrames = 0;
  #order: Order | undefined = undefined;
  /** What its dialect listens to itself: how each of it ends. */
  #listening: Set<() => void> | undefined = undefined;
  /** Made when it is first asked for. */
  #id: string | undefined = undefined;
  closing = false;

  constructor(broker: Broker, link: Link, identity: Identity | undefined, onClosed: (connection: Connection) => void) {
    this.#broker = broker;
    this.link = link;
    this.identity = identity;
    this.#onClosed = onClosed;
    this.#openedAt = this.#heardAt = this.#pingedAt = broker.clock.now();
  }

  speak(conversation: Conversation): void {
    this.#conversation = conversation;
  }

  get settings(): Settings {
    return this.#broker.config;
  }

  get connection(): this {
    return this;
  }

  /** By which others know it. */
  get id(): string {
    return (this.#id ??= newId());
  }

  get pending(): Pending {
    if (this.closing) return 'nothing';
    if (this.#inbox && !this.#inbox.idle) return 'answers';
    const { subscriber } = this;
    if (!subscriber) return 'nothing';
    // Only a dialect that has a word for the drain has one to go on with a run elsewhere.
    if (!this.#conversation?.goaway && (subscriber.attached || subscriber.owed)) return 'run';
    return subscriber.cursor ? 'replay' : 'nothing';
  }

  // --- what the link tells ---

  message(bytes: Uint8Array, binary: boolean): void {
    this.#heardAt = this.#broker.clock.now();
    this.#broker.metrics.stats.bytesReceived += bytes.length;
    if (this.closing) return;
    if (bytes.length > this.#broker.config.maxFrameBytes) {
      this.close('frame_too_large');
      return;
    }
    const inbox = this.#ownInbox();
    if (inbox.hogs(this.#broker.turns.current, this.#heardAt)) {
      this.close('flooding');
      return;
    }
    const tooFast = inbox.tooFast(this.#heardAt);
    const admission = tooFast ? inbox.refuse() : inbox.admit(bytes, binary);
    if (admission === 'now') this.#conversation?.receive(bytes, binary);
    else if (admission === 'refused') this.#conversation?.refuse(bytes, binary, tooFast ? 'rate_limited' : 'busy');
    else if (admission === 'flooding') this.close('flooding');
  }

  drained(): void {
    this.#heardAt = this.#broker.clock.now();
    if (this.subscriber) this.#broker.hub.drained(this.subscriber);
  }

  dropped(frame: Uint8Array): void {
    if (this.subscriber) this.#broker.hub.dropped(this.subscriber, frame);
  }

  alive(): void {
    this.#heardAt = this.#broker.clock.now();
  }

  closed(): void {
    this.closing = true;
    if (this.subscriber) this.#broker.hub.disconnect(this.subscriber);
    if (this.#id !== undefined) this.#broker.whereabouts.gone(this.#id);
    for (const stop of this.#listening ?? []) stop();
    this.#conversation?.closed?.();
    this.#onClosed(this);
  }

  // --- what the dialect asks ---

  use(format: Format): void {
    this.subscriber = this.#broker.hub.connect(this.link, format);
  }

  send(frame: Uint8Array): void {
    if (this.#answers) this.writeAnswers();
    this.#write(frame);
  }

  answer(frame: Uint8Array): void {
    if (this.#answers) {
      this.#answers.push(frame);
    } else {
      this.#answers = [frame];
      this.#broker.answers.add(this);
    }
  }

  writeAnswers(): void {
    const answers = this.#answers;
    if (!answers) return;
    this.#answers = undefined;
    if (answers.length === 1) this.#write(answers[0]!);
    else this.link.cork(() => answers.forEach((answer) => this.#write(answer)));
  }

  #write(frame: Uint8Array): void {
    if (this.closing) return;
    const subscriber = must(this.subscriber, 'a dialect says its format before it sends');
    if (!this.#broker.hub.send(subscriber, frame)) this.close('flooding');
  }

  perform<N extends OperationName>(operation: N, input: InputOf<N>, done: (result: Result<OutputOf<N>>) => void): void {
    const inbox = this.#ownInbox();
    inbox.started();
    const work = (): Promise<void> => {
      const speak = answerFirst(this.#broker.hub, this.subscriber, operation, input);
      return perform(this.#broker, this, operation, input).then((outcome) => {
        this.#tell(done, outcome);
        speak?.();
        inbox.ended();
        this.#takeWaiting(inbox);
      });
    };
    const order = orderOf(operation);
    if (order === 'none') void work();
    else (this.#order ??= new Order())[order](work);
  }

  listen(topic: string, heard: (data: unknown) => void, done: (result: Result<() => void>) => void): void {
    void listen(this.#broker, this.identity, topic, heard).then((listening) => {
      if (!listening.ok) return this.#tell(done, listening);
      const stop = (): void => {
        if (this.#listening?.delete(stop)) listening.value();
      };
      (this.#listening ??= new Set()).add(stop);
      if (this.closing) stop();
      else this.#tell(done, ok(stop));
    });
  }

  authenticate(token: string, done: (result: Result<Identity>) => void): void {
    const release = this.hold();
    const settle = (found: Result<Identity>): void => {
      if (found.ok) this.identity = found.value;
      else this.#broker.metrics.stats.authFailures += 1;
      this.#tell(done, found);
      release();
    };
    const fault = (error: unknown): void => {
      this.#broker.log.error('a token could not be looked at', { error });
      settle(fail('internal'));
    };
    this.#broker.auth.authenticate(token).then(settle, fault);
  }

  hold(): () => void {
    const inbox = this.#ownInbox();
    inbox.hold();
    return () => {
      inbox.release();
      this.#takeWaiting(inbox);
    };
  }

  welcome(version: number): HelloResult {
    const { node, version: server, clock, config } = this.#broker;
    return {
      version,
      connection: this.id,
      node,
      server,
      time: clock.now(),
      heartbeat: { intervalMs: config.heartbeatMs, timeoutMs: config.clientTimeoutMs },
      limits: { maxFrameBytes: config.maxFrameBytes, maxSubscriptions: config.maxSubscriptions, queue: config.queue },
      identity: must(this.identity).id,
    };
  }

  badFrame(): void {
    this.#badFrames += 1;
    if (this.#badFrames >= badFramesInARow) this.close('protocol_abuse');
  }

  goodFrame(): void {
    this.#badFrames = 0;
  }

  /** Pings, and closes who does not answer, does not read, or does not say in time who it is. */
  tend(now: number): void {
    const { heartbeatMs, clientTimeoutMs, authTimeoutMs } = this.#broker.config;
    if (!this.identity && now - this.#openedAt >= authTimeoutMs) {
      this.close('unauthenticated');
    } else if (now - this.#heardAt >= clientTimeoutMs || blockedFor(this.subscriber, now) >= clientTimeoutMs) {
      this.close('no_sign_of_life');
    } else if (now - this.#pingedAt >= heartbeatMs) {
      this.#pingedAt = now;
      this.link.ping();
      this.#conversation?.heartbeat?.();
    }
  }

  goaway(reconnectAfterMs: number): void {
    this.#conversation?.goaway?.(reconnectAfterMs);
  }

  close(name: CloseName): void {
    if (this.closing) return;
    this.writeAnswers();
    this.closing = true;
    this.#broker.metrics.closed(name);
    this.link.close(closeCodes[name].code, closeCodes[name].says);
  }

  /** A dialect that cannot write its answer is a fault of ours: it costs this connection, and not the process. */
  #tell<T>(done: (result: T) => void, result: T): void {
    try {
      done(result);
    } catch (error) {
      this.#broker.log.error('an answer could not be written', { error });
      this.closing = true;
      this.link.close(1011, 'internal error');
    }
  }

  #ownInbox(): Inbox {
    return (this.#inbox ??= new Inbox(this.#broker.config.maxInflight, this.#broker.config.rateMessages));
  }

  #takeWaiting(inbox: Inbox): void {
    for (let frame = inbox.next(); frame && !this.closing; frame = inbox.next()) {
      this.#conversation?.receive(frame.bytes, frame.binary);
    }
  }
}

/**
 * An unsubscribe must not overtake the subscribe before it, which may be waiting for the store; nor must either meet a
 * run in the middle of its start, whose events begin to come when it is answered. Runs are started side by side.
 */
function orderOf(operation: OperationName): 'none' | keyof Order {
  if (operation === 'subscribe' || operation === 'unsubscribe') return 'alone';
  return operation === 'run' || operation === 'attach' ? 'together' : 'none';
}
