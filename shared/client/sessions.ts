import { newId } from '../base/ids.ts';
import type {
  Message,
  SessionCreateRequest,
  SessionListResult,
  SessionMessagesRequest,
  SessionMessagesResult,
  SessionRecord,
  SessionResult,
  SessionUpdateRequest,
} from '../protocol/sessions.ts';
import type { Caller } from './calls.ts';
import { AgentwireError } from './errors.ts';
import { Listing } from './listing.ts';

/** Made up where there is none: the id, by which a request that is sent again is known. */
export type NewSession = Omit<SessionCreateRequest, 'type' | 'id' | 'traceparent'>;

export type SessionChange = Omit<SessionUpdateRequest, 'type' | 'id' | 'traceparent' | 'session'>;

/** `limit` is that of a page; a loop reads on. */
export type MessageListOptions = Partial<Omit<SessionMessagesRequest, 'type' | 'id' | 'traceparent' | 'session'>>;

/** The sessions that this client's identity may see. Only what may be done twice is asked again after a reconnect. */
export class Sessions {
  readonly #core: Caller;

  constructor(core: Caller) {
    this.#core = core;
  }

  /** With an id of your own, `conflict` may tell of your own first try. */
  async create(options: NewSession = {}): Promise<SessionRecord> {
    if (options.session !== undefined) return this.#one({ ...options, type: 'session.create' }, false);
    const session = newId();
    try {
      return await this.#one({ ...options, type: 'session.create', session }, true);
    } catch (error) {
      // Nobody else has this id: it was made when the request was sent first, and only the answer was lost.
      if (error instanceof AgentwireError && error.code === 'conflict') return this.get(session);
      throw error;
    }
  }

  get(session: string): Promise<SessionRecord> {
    return this.#one({ type: 'session.get', session }, true);
  }

  /** Newest first. */
  list(options: { readonly limit?: number } = {}): Listing<SessionRecord> {
    return new Listing(async (from) => {
      const frame = { ...options, type: 'session.list', ...from };
      const { sessions, ...rest } = (await this.#core.call(frame, true)) as SessionListResult;
      return { ...rest, items: sessions };
    });
  }

  /** What is left out stays. With `rev`, only the record that you have seen is changed; `conflict` says that it is another by now. */
  update(session: string, change: SessionChange): Promise<SessionRecord> {
    return this.#one({ ...change, type: 'session.update', session }, false);
  }

  /** With all that belongs to it. `conflict` while a run of it has not ended. */
  async delete(session: string): Promise<void> {
    await this.#core.call({ type: 'session.delete', session }, false);
  }

  /** Oldest first. A page's cursor is the id of its last message, and may be given as `after` later. */
  messages(session: string, options: MessageListOptions = {}): Listing<Message> {
    return new Listing(async ({ cursor }) => {
      const from = cursor === undefined ? {} : { after: cursor };
      const frame = { ...options, type: 'session.messages', session, ...from };
      const { messages, more } = (await this.#core.call(frame, true)) as SessionMessagesResult;
      const last = messages.at(-1);
      return { items: messages, ...(more && last ? { cursor: last.message } : {}) };
    });
  }

  async #one(frame: Readonly<Record<string, unknown>>, again: boolean): Promise<SessionRecord> {
    const { session } = (await this.#core.call(frame, again)) as SessionResult;
    return session;
  }
}
