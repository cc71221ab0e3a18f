import type { Clock } from '../../base/clock.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Engine, Stored } from '../../engine/engine.ts';
import type { Message, SessionRecord } from '../../protocol/sessions.ts';
import { boundedJson } from '../bounded.ts';
import { collect } from '../collect.ts';
import type { Collected, PageAsked } from '../collect.ts';
import { compareAndSet } from '../compare-and-set.ts';
import type { Identity } from '../identity.ts';
import { homeOfSession } from './desk.ts';
import { DeletingSessions } from './deleting.ts';
import { lastMessages, readMessages } from './messages.ts';
import type { MessageRange } from './messages.ts';
import { sayMessage } from './saying.ts';
import type { Said } from './saying.ts';
import { toldOfSession } from './session-events.ts';
import { SessionIndex } from './session-index.ts';
import { belongsTo, noSession, recordOf, sessionFrom, sessionKey, sessionOf } from './session-record.ts';
import type { KeptSession } from './session-record.ts';

export interface SessionsParts {
  readonly engine: Pick<Engine, 'records' | 'log'>;
  readonly clock: Clock;
  /** Takes those of a session's runs that have ended out of its line. */
  readonly settleEnded: (session: string) => Promise<Result<void>>;
  readonly options: {
    /** That a state, the metadata or a message may have. */
    readonly maxFrameBytes: number;
    /** For as long as a topic is remembered, so is whose session it was of. */
    readonly metaTtlS: number;
  };
}

export interface NewSession {
  readonly session?: string;
  readonly name?: string;
  readonly agent?: string;
  readonly metadata?: Record<string, unknown>;
}

/** What is left out stays as it is. */
export interface SessionChanges {
  readonly session: string;
  /** The session must be at this rev. Without it the last one wins. */
  readonly rev?: number;
  readonly state?: unknown;
  readonly metadata?: Record<string, unknown>;
  readonly name?: string;
}

/** The conversations of identities, and what is kept of each. Another identity's is `not_found`. */
export class Sessions {
  readonly #parts: SessionsParts;
  readonly #index: SessionIndex;
  readonly #deleting: DeletingSessions;

  constructor(parts: SessionsParts) {
    const { engine, clock, settleEnded, options } = parts;
    this.#parts = parts;
    this.#index = new SessionIndex(engine.records);
    this.#deleting = new DeletingSessions({
      records: engine.records,
      index: this.#index,
      clock,
      settleEnded,
      heldMs: options.metaTtlS * 1000,
    });
  }

  /** One without a name is called by its id. */
  async create(identity: Identity, asked: NewSession): Promise<Result<SessionRecord>> {
    const { session = newId(), name = session, agent, metadata = {} } = asked;
    const fault = this.#unbounded({ metadata });
    if (fault) return fault;
    const { engine, clock } = this.#parts;
    // An id of our own making was nobody's before.
    const free = asked.session === undefined ? ok(0) : await this.#deleting.freeRev(identity, session);
    if (!free.ok) return free;
    const at = clock.now();
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
    const listed = await this.#index.list(session, identity.id, at);
    if (!listed.ok) return listed;
    const made = await engine.records.commit(homeOfSession(session), {
      expect: [{ key: sessionKey, rev: free.value }],
      put: [{ key: sessionKey, value: JSON.stringify(kept) }],
    });
    if (!made.ok) return made.code === 'conflict' ? fail('conflict', 'there is a session of this id already') : made;
    // At most once, and nobody waits for it: whoever must not miss one, lists them.
    void engine.log.append(toldOfSession(kept));
    return ok(recordOf(kept, free.value + 1));
  }

  async get(identity: Identity, session: string): Promise<Result<SessionRecord>> {
    const found = await this.#load(session);
    if (!found.ok) return found;
    return belongsTo(identity, found.value.kept) ? ok(recordOf(found.value.kept, found.value.rev)) : noSession;
  }

  /** As it is, or new where there is none. Whoever names another identity's is told that it is not theirs: `forbidden`. */
  async ensure(identity: Identity, asked: NewSession): Promise<Result<SessionRecord>> {
    if (asked.session === undefined) return this.create(identity, asked);
    let found = await this.#load(asked.session);
    if (!found.ok && found.code === 'not_found') {
      const made = await this.create(identity, asked);
      if (made.ok || made.code !== 'conflict') return made;
      found = await this.#load(asked.session);
      // The name of one that is gone is its owner's for a while.
      if (!found.ok && found.code === 'not_found') return notYours;
    }
    if (!found.ok) return found;
    const { kept, rev } = found.value;
    return belongsTo(identity, kept) ? ok(recordOf(kept, rev)) : notYours;
  }

  /** Newest first; of everybody's for an admin. */
  async list(identity: Identity, asked: PageAsked): Promise<Result<{ sessions: SessionRecord[]; cursor?: string }>> {
    if (asked.cursor !== undefined && !/^\d+:[\w-]+$/.test(asked.cursor)) {
      return fail('bad_request', 'this cursor is not from a page before');
    }
    const owner = identity.admin ? undefined : identity.id;
    const missing: string[] = [];
    const page = await collect(
      asked,
      (range) => this.#index.newest(owner, range),
      (keys) => this.#loadAll(identity, keys, missing),
    );
    if (!page.ok) return page;
    await this.#deleting.tidy(missing, owner);
    const { items: sessions, ...rest } = page.value;
    return ok({ sessions, ...rest });
  }

  /** Of two that name the same rev at the same time, the one gets a `conflict` that tells the present rev. */
  async update(identity: Identity, asked: SessionChanges): Promise<Result<SessionRecord>> {
    const { session, rev, ...changes } = asked;
    const fault = this.#unbounded(changes);
    if (fault) return fault;
    const { engine, clock } = this.#parts;
    return compareAndSet(engine.records, homeOfSession(session), [sessionKey], ([stored]) => {
      const kept = sessionOf(identity, stored);
      if (!stored || !kept) return noSession;
      if (rev !== undefined && rev !== stored.rev) {
        return fail('conflict', 'the session has changed', { rev: stored.rev });
      }
      const { state = kept.state, metadata = kept.metadata, name = kept.name } = changes;
      const after: KeptSession = { ...kept, state, metadata, name, updatedAt: clock.now() };
      return ok({
        value: recordOf(after, stored.rev + 1),
        change: { put: [{ key: sessionKey, value: JSON.stringify(after) }] },
      });
    });
  }

  /** With all that belongs to it. `conflict` while it has a run that has not ended. */
  delete(identity: Identity, session: string): Promise<Result<void>> {
    return this.#deleting.delete(identity, session);
  }

  async messages(
    identity: Identity,
    { session, ...range }: MessageRange & { readonly session: string },
  ): Promise<Result<{ messages: Message[]; more: boolean }>> {
    const found = await this.get(identity, session);
    return found.ok ? readMessages(this.#parts.engine.records, session, range) : found;
  }

  /** For agents, which work for whom the session belongs to. */
  lastMessages(session: string, thread: string, limit: number): Promise<Result<Message[]>> {
    return lastMessages(this.#parts.engine.records, session, thread, limit);
  }

  async stateOf(session: string): Promise<Result<unknown>> {
    const found = await this.#load(session);
    return found.ok ? ok(found.value.kept.state) : found;
  }

  /** For operators, who may say something in anybody's. */
  say(session: string, said: Said): Promise<Result<Message>> {
    const { engine, clock, options } = this.#parts;
    return sayMessage(engine.records, session, said, { at: clock.now(), mostBytes: options.maxFrameBytes });
  }

  #unbounded(values: { state?: unknown; metadata?: unknown }): Extract<Result<string>, { ok: false }> | undefined {
    const { maxFrameBytes } = this.#parts.options;
    for (const name of ['state', 'metadata'] as const) {
      if (values[name] === undefined) continue;
      const text = boundedJson(`the ${name}`, values[name], maxFrameBytes);
      if (!text.ok) return text;
    }
    return undefined;
  }

  async #load(session: string): Promise<Result<{ kept: KeptSession; rev: number }>> {
    const read = await this.#parts.engine.records.read(homeOfSession(session), [sessionKey]);
    if (!read.ok) return read;
    const stored: Stored | undefined = read.value[0];
    const kept = sessionFrom(stored);
    return stored && kept ? ok({ kept, rev: stored.rev }) : noSession;
  }

  async #loadAll(
    identity: Identity,
    sessions: readonly string[],
    missing: string[],
  ): Promise<Result<(Collected<SessionRecord> | undefined)[]>> {
    const { records } = this.#parts.engine;
    const reads = await Promise.all(sessions.map((session) => records.read(homeOfSession(session), [sessionKey])));
    const found: (Collected<SessionRecord> | undefined)[] = [];
    for (const [i, read] of reads.entries()) {
      if (!read.ok) return read;
      const stored = read.value[0];
      const kept = sessionFrom(stored);
      if (!kept) missing.push(sessions[i] ?? '');
      const own = stored && kept && belongsTo(identity, kept);
      found.push(own ? { bytes: stored.value.length, parse: () => recordOf(kept, stored.rev) } : undefined);
    }
    return ok(found);
  }
}

const notYours = fail('forbidden', 'this session is not yours');
