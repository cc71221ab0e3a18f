import { errorTable, fail, ok } from '../base/errors.ts';
import type { ErrorCode, Result } from '../base/errors.ts';
import type { Codec, Encoded } from './codec.ts';

/** What came of a request that was sent: the server's word, or that the connection is gone, and the outcome unknown. */
export type Answer = Result<unknown> | 'lost';

/** The way out. `send` may be called while it is up only. */
export interface Link {
  readonly up: boolean;
  send(encoded: Encoded): void;
}

/** Requests under way on the present connection, each waiting for the answer with its id. */
export class Requests {
  readonly #codec: Codec;
  readonly #link: Link;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #idle: (() => void) | undefined;

  constructor(codec: Codec, link: Link) {
    this.#codec = codec;
    this.#link = link;
  }

  /** The bytes of a request may be sent again on a later connection: an id is never used twice. */
  encode(frame: Readonly<Record<string, unknown>>): { id: number; encoded: Encoded } {
    const id = ++this.#lastId;
    return { id, encoded: this.#codec.encode({ ...frame, id }) };
  }

  send(id: number, encoded: Encoded, done: (answer: Answer) => void): void {
    this.#waiting.set(id, done);
    this.#link.send(encoded);
  }

  ask(frame: Readonly<Record<string, unknown>>, done: (answer: Answer) => void): void {
    const { id, encoded } = this.encode(frame);
    this.send(id, encoded, done);
  }

  /** Nobody waits for it any more; an answer that comes yet is passed over. */
  forget(id: number): void {
    this.#waiting.delete(id);
  }

  /** An `ok`, an `error` or a `pong`. False: it answers nothing that was asked here. */
  settle(frame: Readonly<Record<string, unknown>>): boolean {
    const { id } = frame;
    if (typeof id !== 'number') return false;
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.(answerIn(frame));
    if (this.#waiting.size === 0) this.#idle?.();
    return true;
  }

  /** As soon as nothing is under way on this connection; never, if it is gone before. */
  whenIdle(done: () => void): void {
    if (this.#waiting.size === 0) done();
    else this.#idle = done;
  }

  linkDown(): void {
    this.#idle = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const done of waiting) done('lost');
  }
}

/** Not the one of shared/protocol: with it would come zod, which is larger than all of the client. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function answerIn(frame: Readonly<Record<string, unknown>>): Result<unknown> {
  if (frame['type'] === 'ok') return ok(frame['result']);
  if (frame['type'] === 'pong') return ok({ ts: frame['ts'] });
  return failureIn(frame);
}

/** A code that this version does not know is taken for `internal`. */
export function failureIn(frame: Readonly<Record<string, unknown>>): Result<never> {
  const error = isMap(frame['error']) ? frame['error'] : {};
  const { code, message, details } = error;
  const known = typeof code === 'string' && Object.hasOwn(errorTable, code);
  return fail(known ? (code as ErrorCode) : 'internal', typeof message === 'string' ? message : undefined, details);
}

/** A refusal for now: the same request is sent again by itself. A fault of the server's is not, since it might be for ever. */
export function passes(code: ErrorCode): boolean {
  return errorTable[code].retryable && code !== 'internal';
}
