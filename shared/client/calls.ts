import { fail } from '../base/errors.ts';
import type { Failure } from '../base/errors.ts';
import { notPlain } from '../wire/plain.ts';
import { isLonger } from './codec.ts';
import type { Encoded } from './codec.ts';
import { AgentwireError, errorOf } from './errors.ts';
import type { Link, Requests } from './requests.ts';
import type { Settings } from './options.ts';

interface Call {
  readonly id: number;
  readonly encoded: Encoded;
  /** Reading twice does no harm, so it is asked again after a reconnect. */
  readonly again: boolean;
  readonly settle: (outcome: unknown) => void;
  readonly reject: (error: AgentwireError) => void;
  readonly cancelTimer: () => void;
}

/** The way from the application's methods to a request. Rejects at once when nothing new is taken on. */
export interface Caller {
  /** `again`: doing it twice is no more than doing it once, so it is asked again after a reconnect. */
  call(frame: Readonly<Record<string, unknown>>, again: boolean): Promise<unknown>;
}

/** Requests of the application that are no publish and no subscription. Each ends in time: answered, lost or too late. */
export class Calls {
  readonly #requests: Requests;
  readonly #link: Link;
  readonly #settings: Settings;
  readonly #open = new Map<number, Call>();
  /** The server's limit, once it was told. */
  maxFrameBytes = Number.POSITIVE_INFINITY;

  constructor(requests: Requests, link: Link, settings: Settings) {
    this.#requests = requests;
    this.#link = link;
    this.#settings = settings;
  }

  get size(): number {
    return this.#open.size;
  }

  /** While offline it waits for a connection, within its time. */
  call(frame: Readonly<Record<string, unknown>>, again: boolean, timeoutMs?: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const fault = notPlain(frame);
      if (fault !== undefined) throw new AgentwireError('bad_request', `the request is refused: ${fault}`);
      if (this.#open.size >= this.#settings.queueLimit) throw new AgentwireError('busy', 'too many requests are open');
      const { id, encoded } = this.#requests.encode(frame);
      if (isLonger(encoded, this.maxFrameBytes)) throw new AgentwireError('payload_too_large');
      const cancelTimer = this.#settings.clock.later(timeoutMs ?? this.#settings.requestTimeoutMs, () => {
        this.#requests.forget(id);
        this.#fail(call, fail('timeout', 'no answer came in time'));
      });
      const call: Call = { id, encoded, again, settle: resolve, reject, cancelTimer };
      this.#open.set(id, call);
      if (this.#link.up) this.#send(call);
    });
  }

  /** What waited goes out, and what is asked again. */
  linkUp(): void {
    for (const call of this.#open.values()) this.#send(call);
  }

  failAll(failure: Failure): void {
    for (const call of this.#open.values()) this.#fail(call, failure);
  }

  #send(call: Call): void {
    this.#requests.send(call.id, call.encoded, (answer) => {
      if (answer === 'lost') {
        // It may have been done and may be done twice: the application knows whether to say it again.
        if (!call.again) this.#fail(call, fail('unavailable', 'the connection was lost before the answer came'));
      } else if (!answer.ok) {
        this.#fail(call, answer);
      } else {
        this.#end(call);
        call.settle(answer.value);
      }
    });
  }

  #fail(call: Call, failure: Failure): void {
    this.#end(call);
    call.reject(errorOf(failure));
  }

  #end(call: Call): void {
    call.cancelTimer();
    this.#open.delete(call.id);
  }
}
