import type { Clock } from '../../base/clock.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Records, Stored } from '../../engine/engine.ts';
import { shelfKey } from '../checkpoints/shelf.ts';
import { compareAndSet } from '../compare-and-set.ts';
import type { Identity } from '../identity.ts';
import { deskFrom, deskKey, homeOfSession } from './desk.ts';
import { purge } from './purge.ts';
import type { SessionIndex } from './session-index.ts';
import { belongsTo, goneFrom, noSession, sessionFrom, sessionKey, sessionOf } from './session-record.ts';
import type { GoneSession } from './session-record.ts';

/** Longer than any session takes from its place in the lists to its record, with clocks that differ. */
const surelyOldMs = 10 * 60 * 1000;
/** By one that only wanted to see a list. */
const tidiedAtOnce = 8;
/** Each time somebody else has purged it, or made it and deleted it again. */
const tries = 10;

export interface DeletingParts {
  readonly records: Records;
  readonly index: SessionIndex;
  readonly clock: Clock;
  readonly settleEnded: (session: string) => Promise<Result<void>>;
  /** For so long after its end the name of a session is only for its owner. */
  readonly heldMs: number;
}

/** A session that is gone, at the rev of what it left. */
interface Marked {
  readonly gone: GoneSession;
  readonly rev: number;
  /** It was gone before. */
  readonly already: boolean;
}

/**
 * The end of sessions. One commit makes a session unfindable and leaves a mark in its place; then what belonged to it
 * is purged. What a crash leaves of that is seen by nobody, and done by whoever meets the mark: a second delete, a
 * create of the same id, a list.
 */
export class DeletingSessions {
  readonly #parts: DeletingParts;

  constructor(parts: DeletingParts) {
    this.#parts = parts;
  }

  async delete(identity: Identity, session: string): Promise<Result<void>> {
    const { records, index, settleEnded, heldMs } = this.#parts;
    // Before the session is gone: whoever makes it anew lists it anew.
    const listed = await index.find(session);
    if (!listed.ok) return listed;
    let marked = await this.#mark(identity, session);
    if (!marked.ok && marked.code === 'conflict') {
      const settled = await settleEnded(session);
      if (!settled.ok) return settled;
      marked = await this.#mark(identity, session);
    }
    if (!marked.ok) return marked;
    const { gone, already } = marked.value;
    const purged = await purge(records, session, marked.value, heldMs);
    if (purged.ok) await index.unlist(session, gone.owner, listed.value);
    return already ? noSession : ok(undefined);
  }

  /** The rev at which this identity may make a session of this id. What is left of one before it is purged first. */
  async freeRev(identity: Identity, session: string): Promise<Result<number>> {
    const { records, heldMs } = this.#parts;
    for (let tried = 0; tried < tries; tried += 1) {
      const stored = await this.#read(session);
      if (!stored.ok) return stored;
      if (!stored.value) return ok(0);
      const gone = goneFrom(stored.value);
      if (!gone || !belongsTo(identity, gone)) return fail('conflict', 'there is a session of this id already');
      const purged = await purge(records, session, { gone, rev: stored.value.rev }, heldMs);
      if (purged.ok || purged.code !== 'conflict') return purged;
    }
    return fail('busy', 'the session is being deleted');
  }

  /** Places in a list that led nowhere go when no record can be on its way any more. Best effort: they are met again. */
  async tidy(sessions: readonly string[], owner: string | undefined): Promise<void> {
    const { records, index, clock, heldMs } = this.#parts;
    for (const session of sessions.slice(0, tidiedAtOnce)) {
      const listed = await index.find(session);
      if (!listed.ok) return;
      if (listed.value && clock.now() - listed.value.at < surelyOldMs) continue;
      const stored = await this.#read(session);
      if (!stored.ok) return;
      if (sessionFrom(stored.value)) continue;
      const gone = goneFrom(stored.value);
      if (stored.value && gone) {
        const purged = await purge(records, session, { gone, rev: stored.value.rev }, heldMs);
        if (!purged.ok) continue;
      }
      await index.unlist(session, owner ?? gone?.owner, listed.value);
    }
  }

  #mark(identity: Identity, session: string): Promise<Result<Marked>> {
    return compareAndSet<Marked>(
      this.#parts.records,
      homeOfSession(session),
      [sessionKey, deskKey],
      ([stored, place]) => {
        const kept = sessionOf(identity, stored);
        const left = goneFrom(stored);
        if (stored && left && belongsTo(identity, left)) {
          return ok({ value: { gone: left, rev: stored.rev, already: true } });
        }
        if (!stored || !kept) return noSession;
        const desk = deskFrom(place);
        if (desk.line.length > 0) return fail('conflict', 'the session has a run that has not ended');
        const gone: GoneSession = { gone: true, owner: kept.owner, lastMessage: desk.lastMessage };
        return ok({
          value: { gone, rev: stored.rev + 1, already: false },
          change: { put: [{ key: sessionKey, value: JSON.stringify(gone) }], del: [deskKey, shelfKey] },
        });
      },
    );
  }

  async #read(session: string): Promise<Result<Stored | undefined>> {
    const read = await this.#parts.records.read(homeOfSession(session), [sessionKey]);
    return read.ok ? ok(read.value[0]) : read;
  }
}
