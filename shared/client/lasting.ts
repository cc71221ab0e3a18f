import { fail } from '../base/errors.ts';
import type { ErrorCode, Failure, Result } from '../base/errors.ts';
import { notPlain } from '../wire/plain.ts';
import { Backoff } from './backoff.ts';
import { isLonger } from './codec.ts';
import type { Encoded } from './codec.ts';
import type { Settings } from './options.ts';
import { passes } from './requests.ts';
import type { Link, Requests } from './requests.ts';

/**
 * `start`: does something, once however often it is sent, since it carries a key. It counts towards `queueLimit`, and is
 * given up when the client stops. `read`: for what goes on when the client does; each run and each loop has one at most.
 */
type Kind = 'start' | 'read';

interface Lasting {
  readonly id: number;
  readonly kind: Kind;
  readonly encoded: Encoded;
  readonly done: (answer: Result<unknown>) => void;
}

/** Requests that may be sent twice, and are: over any number of connections and refusals, until one is answered for good. */
export class LastingRequests {
  readonly #requests: Requests;
  readonly #link: Link;
  readonly #settings: Settings;
  readonly #backoff: Backoff;
  readonly #open = new Map<number, Lasting>();
  #starts = 0;
  /** Those that were refused for now, until the end of a pause. */
  #refused: Lasting[] = [];
  #cancelRetry: (() => void) | undefined;
  #closed: Failure | undefined;
  maxFrameBytes = Number.POSITIVE_INFINITY;

  constructor(requests: Requests, link: Link, settings: Settings) {
    this.#requests = requests;
    this.#link = link;
    this.#settings = settings;
    this.#backoff = new Backoff(settings.random);
  }

  /**
   * `done` is called in the turn of the answer and before the next frame is looked at, so that what the answer announces
   * finds its place. A fault of the frame is answered at once.
   */
  ask(kind: Kind, frame: Readonly<Record<string, unknown>>, done: Lasting['done']): void {
    if (this.#closed) return done(this.#closed);
    const fault = notPlain(frame);
    if (fault !== undefined) return done(fail('bad_request', `the request is refused: ${fault}`));
    if (kind === 'start' && this.#starts >= this.#settings.queueLimit)
      return done(fail('busy', 'too many runs wait for an answer or a connection'));
    const lasting: Lasting = { ...this.#requests.encode(frame), kind, done };
    this.#open.set(lasting.id, lasting);
    if (kind === 'start') this.#starts += 1;
    if (this.#link.up) this.#send(lasting);
  }

  linkUp(): void {
    this.#backoff.reset();
    for (const lasting of this.#open.values()) this.#send(lasting);
  }

  linkDown(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#refused = [];
  }

  failStarts(failure: Failure): void {
    for (const lasting of this.#open.values()) if (lasting.kind === 'start') this.#end(lasting, failure);
  }

  close(failure: Failure): void {
    this.linkDown();
    this.#closed = failure;
    for (const lasting of this.#open.values()) this.#end(lasting, failure);
  }

  #send(lasting: Lasting): void {
    // The limit was not known when it was queued, and a server that gets such a frame closes the connection.
    if (isLonger(lasting.encoded, this.maxFrameBytes)) return this.#end(lasting, fail('payload_too_large'));
    this.#requests.send(lasting.id, lasting.encoded, (answer) => {
      // `linkUp` sends again what was lost.
      if (answer === 'lost') return;
      if (!answer.ok && isForNow(lasting.kind, answer.code)) {
        this.#refused.push(lasting);
        this.#cancelRetry ??= this.#settings.clock.later(this.#backoff.next(), () => this.#retry());
        return;
      }
      if (answer.ok) this.#backoff.reset();
      this.#end(lasting, answer);
    });
  }

  #retry(): void {
    this.#cancelRetry = undefined;
    const refused = this.#refused;
    this.#refused = [];
    // While the server is being left nothing is sent; the next connection sends all.
    if (this.#link.up) for (const lasting of refused) if (this.#open.has(lasting.id)) this.#send(lasting);
  }

  #end(lasting: Lasting, answer: Result<unknown>): void {
    if (!this.#open.delete(lasting.id)) return;
    if (lasting.kind === 'start') this.#starts -= 1;
    lasting.done(answer);
  }
}

/** `busy` may be what a caller asked for with `whenBusy`, so it is the caller's to hear. */
function isForNow(kind: Kind, code: ErrorCode): boolean {
  return passes(code) && !(kind === 'start' && code === 'busy');
}
