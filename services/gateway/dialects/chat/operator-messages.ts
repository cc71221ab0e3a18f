import { ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import { isMap } from '../../../../shared/protocol/common.ts';
import type { Client } from '../../core/client.ts';
import { operatorTopic } from '../../core/listening.ts';
import { chatFrame } from './frames.ts';

/** Of more the oldest are not shown: the session has them. */
const mostHeld = 64;

/** Something to be kept in the session of this chat, which has to be made for it where there is none. */
export interface ToKeep {
  readonly messageId: string;
  readonly role: string;
  readonly content: string;
}

/**
 * What operators say, as one chat sees it. What is for all it has kept in its session, as every chat of the session does,
 * and once for all of them; what is kept is heard of there, and shown as a stream of one chunk. An answer that is being
 * written is not broken into: what is said meanwhile comes behind it.
 */
export class OperatorMessages {
  readonly #client: Client;
  readonly #session: string;
  readonly #answering: () => boolean;
  readonly #held: string[] = [];
  readonly #waiting: ((listening: Result<unknown>) => void)[] = [];
  #listening = false;
  #watching: 'no' | 'soon' | 'yes' = 'no';

  constructor(client: Client, session: string, answering: () => boolean) {
    this.#client = client;
    this.#session = session;
    this.#answering = answering;
  }

  /** What is said to all, and to this session before there is one. Where the store is away, the next message tries again. */
  listen(keep: (said: ToKeep) => void): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#client.listen(
      operatorTopic,
      (data) => {
        if (isToKeep(data) && (data.session ?? this.#session) === this.#session) keep(data);
      },
      (listening) => {
        this.#listening = listening.ok;
      },
    );
  }

  /** What is kept in the session, which has to be there. */
  watch(then: (watching: Result<unknown>) => void = () => {}): void {
    if (this.#watching === 'yes') return then(ok(undefined));
    // No more than the messages that may wait to be kept.
    this.#waiting.push(then);
    if (this.#watching === 'soon') return;
    this.#watching = 'soon';
    this.#client.listen(
      `session.${this.#session}.messages`,
      (data) => this.#heard(data),
      (watching) => {
        this.#watching = watching.ok ? 'yes' : 'no';
        for (const each of this.#waiting.splice(0)) each(watching);
      },
    );
  }

  keep({ messageId, role, content }: ToKeep, done: (kept: Result<unknown>) => void): void {
    const said = { session: this.#session, messageId, role, content };
    this.watch((watching) => (watching.ok ? this.#client.perform('operator.keep', said, done) : done(watching)));
  }

  /** Nothing is being answered any more. */
  showHeld(): void {
    if (this.#answering()) return;
    for (const content of this.#held.splice(0)) this.#show(content);
  }

  #heard(data: unknown): void {
    if (!isMap(data) || data['kind'] !== 'message') return;
    const { content } = data;
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    if (!this.#answering()) return this.#show(text);
    this.#held.push(text);
    if (this.#held.length > mostHeld) this.#held.shift();
  }

  #show(content: string): void {
    this.#client.answer(chatFrame('stream_start', this.#session, ''));
    this.#client.answer(chatFrame('stream_chunk', this.#session, content));
    this.#client.answer(chatFrame('stream_end', this.#session, ''));
  }
}

function isToKeep(data: unknown): data is ToKeep & { readonly session?: string } {
  return isMap(data) && typeof data['content'] === 'string';
}
