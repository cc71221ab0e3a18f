import { fail } from '../base/errors.ts';
import type { Failure } from '../base/errors.ts';
import { newId } from '../base/ids.ts';
import type { PublishResult } from '../protocol/publish.ts';
import { isSystemWritten } from '../topics/grammar.ts';
import { notPlain } from '../wire/plain.ts';
import { Backoff } from './backoff.ts';
import { isLonger } from './codec.ts';
import type { Encoded } from './codec.ts';
import { AgentwireError, errorOf } from './errors.ts';
import type { Settings } from './options.ts';
import { passes } from './requests.ts';
import type { Answer, Link, Requests } from './requests.ts';

export interface PublishOptions {
  /** Made up where it is not given: by it the server knows a publish that is sent again. */
  messageId?: string;
  /** Kept nowhere, and sent at most once. */
  ephemeral?: boolean;
  /** The trace that it belongs to, as W3C Trace Context writes it. */
  traceparent?: string;
}

/** As many as the server works on at once for a connection; what is sent beyond that would only wait there. */
const widest = 64;
/** The server remembers a messageId for at least 120 s; with less than that it is not known whether a repetition would be one. */
const rememberedMs = 110_000;
/** Of all that waits: `queueLimit` alone would allow as many frames of the largest size. */
const queueBytes = 32 * 1024 * 1024;

interface Publish {
  readonly id: number;
  readonly encoded: Encoded;
  readonly repeatable: boolean;
  firstSentAt: number | undefined;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: AgentwireError) => void;
}

/**
 * Publishes, in order, until each is answered. What a lost connection leaves without an answer is sent again with the
 * same `messageId`, before anything later: the server does the first one only, so nothing is doubled or overtaken.
 */
export class Outgoing {
  readonly #requests: Requests;
  readonly #link: Link;
  readonly #settings: Settings;
  readonly #backoff: Backoff;
  /** Without an answer yet, by id, in the order of the calls. */
  readonly #open = new Map<number, Publish>();
  #bytes = 0;
  /** Those of them that are to be sent; the first ones until `#next` were. */
  #unsent: Publish[] = [];
  #next = 0;
  #flying = 0;
  #window = widest;
  /** The server refused one for now: nothing more is sent until what is under way is answered and a pause is over. */
  #refused = false;
  #cancelRetry: (() => void) | undefined;
  maxFrameBytes = Number.POSITIVE_INFINITY;

  constructor(requests: Requests, link: Link, settings: Settings) {
    this.#requests = requests;
    this.#link = link;
    this.#settings = settings;
    this.#backoff = new Backoff(settings.random);
  }

  get size(): number {
    return this.#open.size;
  }

  /** The topic has passed the grammar. */
  publish(topic: string, data: unknown, options: PublishOptions): Promise<PublishResult> {
    return new Promise((resolve, reject) => {
      const { ephemeral = false, messageId = ephemeral ? undefined : newId(), traceparent } = options;
      const fault = notPlain(data);
      if (fault !== undefined) throw new AgentwireError('bad_request', `data is refused: ${fault}`);
      if (isSystemWritten(topic)) throw new AgentwireError('forbidden', `${topic} is written by the system only`);
      if (messageId !== undefined && (messageId.length === 0 || messageId.length > 256))
        throw new AgentwireError('bad_request', 'a messageId has 1 to 256 characters');
      const frame: Record<string, unknown> = { type: 'publish', topic, data };
      if (messageId !== undefined) frame['messageId'] = messageId;
      if (ephemeral) frame['ephemeral'] = true;
      if (traceparent !== undefined) frame['traceparent'] = traceparent;
      // Encoded now: what the application does to the data later is not what it published.
      const { id, encoded } = this.#requests.encode(frame);
      if (isLonger(encoded, this.maxFrameBytes)) throw new AgentwireError('payload_too_large');
      if (this.#open.size >= this.#settings.queueLimit || this.#bytes + encoded.length > queueBytes)
        throw new AgentwireError('busy', 'too many publishes wait for an answer or a connection');
      const publish: Publish = { id, encoded, repeatable: !ephemeral, firstSentAt: undefined, resolve, reject };
      this.#open.set(id, publish);
      this.#bytes += encoded.length;
      this.#unsent.push(publish);
      this.#send();
    });
  }

  linkUp(): void {
    this.#startOver(widest);
  }

  linkDown(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }

  failAll(failure: Failure): void {
    this.linkDown();
    this.#unsent = [];
    this.#next = 0;
    for (const publish of this.#open.values()) this.#fail(publish, failure);
  }

  #startOver(window: number): void {
    this.#refused = false;
    this.#flying = 0;
    this.#window = window;
    this.#unsent = [...this.#open.values()];
    this.#next = 0;
    this.#send();
  }

  #send(): void {
    while (this.#link.up && !this.#refused && this.#flying < this.#window) {
      const publish = this.#unsent[this.#next];
      if (!publish) {
        this.#unsent = [];
        this.#next = 0;
        return;
      }
      this.#next += 1;
      if (this.#next > 1024) {
        this.#unsent = this.#unsent.slice(this.#next);
        this.#next = 0;
      }
      const now = this.#settings.clock.now();
      if (now - (publish.firstSentAt ?? now) > rememberedMs) {
        this.#fail(publish, fail('unavailable', 'sent long ago without an answer: the outcome is unknown'));
      } else if (isLonger(publish.encoded, this.maxFrameBytes)) {
        // The limit was not known when it was queued, and a server that gets such a frame closes the connection.
        this.#fail(publish, fail('payload_too_large'));
      } else {
        publish.firstSentAt ??= now;
        this.#flying += 1;
        this.#requests.send(publish.id, publish.encoded, (answer) => this.#answered(publish, answer));
      }
    }
  }

  #answered(publish: Publish, answer: Answer): void {
    if (answer === 'lost') {
      if (!publish.repeatable)
        this.#fail(publish, fail('unavailable', 'the connection was lost: the outcome is unknown'));
      return;
    }
    this.#flying -= 1;
    if (answer.ok) {
      this.#end(publish);
      this.#backoff.reset();
      this.#window = Math.min(widest, this.#window * 2);
      publish.resolve(answer.value as PublishResult);
    } else if (publish.repeatable && passes(answer.code)) {
      this.#refused = true;
    } else {
      this.#fail(publish, answer);
    }
    if (!this.#refused) this.#send();
    else if (this.#flying === 0) this.#retryLater();
  }

  /** One at a time at first: a server that is short of something is not to be met with all of it at once. */
  #retryLater(): void {
    this.#cancelRetry = this.#settings.clock.later(this.#backoff.next(), () => this.#startOver(1));
  }

  #fail(publish: Publish, failure: Failure): void {
    this.#end(publish);
    publish.reject(errorOf(failure));
  }

  #end(publish: Publish): void {
    if (this.#open.delete(publish.id)) this.#bytes -= publish.encoded.length;
  }
}
