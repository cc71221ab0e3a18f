import type { Clock } from '../../base/clock.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Records, Stored } from '../../engine/engine.ts';
import type { Message, SessionRecord } from '../../protocol/sessions.ts';
import type { Identity } from '../identity.ts';
import { homeOfSession } from './desk.ts';
import { lastMessages, readMessages } from './messages.ts';
import type { MessageRange } from './messages.ts';

const sessionKey = 'session';

/** The rev is the store's, of the record as a whole. */
interface KeptSession extends Omit<SessionRecord, 'rev'> {
  /** The identity that made it, and that it belongs to. */
  readonly owner: string;
}

export interface NewSession {
  readonly session?: string;
  readonly name?: string;
  readonly agent?: string;
  readonly metadata?: Record<string, unknown>;
}

/** The conversations of identities, and what is kept of each. */
export class Sessions {
  readonly #records: Records;
  readonly #clock: Clock;

  constructor(records: Records, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  /** One without a name is called by its id. */
  async create(identity: Identity, asked: NewSession): Promise<Result<SessionRecord>> {
    const { session = newId(), name = session, agent, metadata = {} } = asked;
    const at = this.#clock.now();
    const kept: KeptSession = {
      session,
      name,
      ...(agent === undefined ? {} : { agent }),
      state: null,
      metadata,
      createdAt: at,
      updatedAt: at,
      owner: identity.id,
    };
    const made = await this.#records.commit(homeOfSession(session), {
      expect: [{ key: sessionKey, rev: 0 }],
      put: [{ key: sessionKey, value: JSON.stringify(kept) }],
    });
    if (made.ok) return ok(recordOf(kept, 1));
    return made.code === 'conflict' ? fail('conflict', 'there is a session of this id already') : made;
  }

  /** Another identity's is `not_found`. */
  async get(identity: Identity, session: string): Promise<Result<SessionRecord>> {
    const found = await this.#load(session);
    if (!found.ok) return found;
    return belongsTo(identity, found.value.kept) ? ok(recordOf(found.value.kept, found.value.rev)) : notFound;
  }

  /** As it is, or new where there is none. Whoever names another identity's is told that it is not theirs: `forbidden`. */
  async ensure(identity: Identity, asked: NewSession): Promise<Result<SessionRecord>> {
    if (asked.session === undefined) return this.create(identity, asked);
    let found = await this.#load(asked.session);
    if (!found.ok && found.code === 'not_found') {
      const made = await this.create(identity, asked);
      if (made.ok || made.code !== 'conflict') return made;
      found = await this.#load(asked.session);
    }
    if (!found.ok) return found;
    const { kept, rev } = found.value;
    return belongsTo(identity, kept) ? ok(recordOf(kept, rev)) : fail('forbidden', 'this session is not yours');
  }

  async messages(
    identity: Identity,
    { session, ...range }: MessageRange & { readonly session: string },
  ): Promise<Result<{ messages: Message[]; more: boolean }>> {
    const found = await this.get(identity, session);
    return found.ok ? readMessages(this.#records, session, range) : found;
  }

  /** For agents, which work for whom the session belongs to. */
  lastMessages(session: string, thread: string, limit: number): Promise<Result<Message[]>> {
    return lastMessages(this.#records, session, thread, limit);
  }

  async stateOf(session: string): Promise<Result<unknown>> {
    const found = await this.#load(session);
    return found.ok ? ok(found.value.kept.state) : found;
  }

  async #load(session: string): Promise<Result<{ kept: KeptSession; rev: number }>> {
    const read = await this.#records.read(homeOfSession(session), [sessionKey]);
    if (!read.ok) return read;
    const stored: Stored | undefined = read.value[0];
    return stored ? ok({ kept: JSON.parse(stored.value) as KeptSession, rev: stored.rev }) : notFound;
  }
}

const notFound = fail('not_found', 'there is no such session');

function belongsTo(identity: Identity, { owner }: KeptSession): boolean {
  return identity.admin || owner === identity.id;
}

function recordOf(kept: KeptSession, rev: number): SessionRecord {
  const { owner: _, ...record } = kept;
  return { ...record, rev };
}
