import type { Clock } from '../../base/clock.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Records, Stored } from '../../engine/engine.ts';
import type { CheckpointRecord, PatchOperation } from '../../protocol/checkpoints.ts';
import type { SessionRecord } from '../../protocol/sessions.ts';
import { collect } from '../collect.ts';
import type { Collected, PageAsked } from '../collect.ts';
import { compareAndSet } from '../compare-and-set.ts';
import type { Decided, Found } from '../compare-and-set.ts';
import type { Identity } from '../identity.ts';
import { deskFrom, deskKey, homeOfSession } from '../sessions/desk.ts';
import type { Desk } from '../sessions/desk.ts';
import { mostRanges } from '../sessions/path.ts';
import { noSession, recordOf as sessionRecordOf, sessionKey, sessionOf } from '../sessions/session-record.ts';
import type { KeptSession } from '../sessions/session-record.ts';
import { TakingTurns } from '../taking-turns.ts';
import { checked, checkpointKey, checkpointsList, fromPlace, noCheckpoint } from './checkpoint-record.ts';
import { recordOf, stateKey, taggedList, takeCheckpoint, toldOfCheckpoint } from './checkpoint-record.ts';
import type { KeptCheckpoint, NewCheckpoint } from './checkpoint-record.ts';
import { changesBetween } from './diff.ts';
import { forgetPointers, point, sessionOfCheckpoint } from './pointers.ts';
import { addOne, isOverAge, putShelf, shelfFrom, shelfKey } from './shelf.ts';
import type { Added, OneMore, Retention } from './shelf.ts';

export interface CheckpointOptions extends Retention {
  /** That a state may have. */
  readonly maxFrameBytes: number;
}

export interface CheckpointsAsked extends PageAsked {
  readonly session: string;
  readonly tag?: string;
  /** The records are wanted without their states, which are most of what there is to read. */
  readonly stateless?: true;
}

/** What one commit is to do, once it is known what the new checkpoint is. */
type Adding<T> = (found: Found) => Result<OneMore & { with: (added: Added) => Decided<T> }>;

/** Longer than any checkpoint is kept, so that none is without it. */
const pointerGraceMs = 24 * 60 * 60 * 1000;
/** Agents work for whom the session belongs to. */
const agents: Identity = { id: '', admin: true };

/**
 * States of sessions and the messages that they had, kept under a name to come back to. Those of another's session are
 * `not_found`. Each change is one commit in the session's home, which also tells of it on `session.<id>.checkpoints`.
 */
export class Checkpoints {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #options: CheckpointOptions;
  readonly #turns = new TakingTurns();

  constructor(records: Records, clock: Clock, options: CheckpointOptions) {
    this.#records = records;
    this.#clock = clock;
    this.#options = options;
  }

  /** Of the state that is given, which leaves the session's as it is; else of the session's. */
  async create(
    identity: Identity,
    { session, ...asked }: NewCheckpoint & { readonly session: string },
  ): Promise<Result<CheckpointRecord>> {
    const wanted = checked(asked, this.#options.maxFrameBytes);
    if (!wanted.ok) return wanted;
    const { state, ...labels } = wanted.value;
    const id = newId();
    return this.#add(session, id, [sessionKey, deskKey, shelfKey], ([record, stored]) => {
      const own = sessionOf(identity, record);
      if (!own) return noSession;
      const { path } = deskFrom(stored);
      return ok({
        checkpoint: { checkpoint: id, session, ...labels, createdAt: this.#clock.now(), path },
        state: state ?? JSON.stringify(own.state),
        with: ({ kept, change }) => ({
          change,
          value: recordOf(kept, asked.state === undefined ? own.state : asked.state),
        }),
      });
    });
  }

  async get(identity: Identity, checkpoint: string): Promise<Result<CheckpointRecord>> {
    const found = await this.#find(identity, checkpoint);
    return found.ok ? ok(found.value.parse()) : found;
  }

  /** Newest first. */
  async list(
    identity: Identity,
    { session, tag, stateless, ...asked }: CheckpointsAsked,
  ): Promise<Result<{ checkpoints: CheckpointRecord[]; cursor?: string }>> {
    if (asked.cursor !== undefined && !/^\d+:\d+ [\w-]+$/.test(asked.cursor)) {
      return fail('bad_request', 'this cursor is not from a page before');
    }
    const home = homeOfSession(session);
    const read = await this.#records.read(home, [sessionKey]);
    if (!read.ok) return read;
    if (!sessionOf(identity, read.value[0])) return noSession;
    const list = tag === undefined ? checkpointsList : taggedList(tag);
    const page = await collect(
      asked,
      (range) => this.#records.page(home, list, { ...range, reverse: true }),
      (places) =>
        this.#load(
          session,
          places.map(fromPlace).map((place) => place.checkpoint),
          stateless,
        ),
    );
    if (!page.ok) return page;
    const { items: checkpoints, ...rest } = page.value;
    return ok({ checkpoints, ...rest });
  }

  async delete(identity: Identity, checkpoint: string): Promise<Result<void>> {
    const session = await sessionOfCheckpoint(this.#records, checkpoint);
    if (!session.ok) return session;
    if (session.value === undefined) return noCheckpoint;
    const keys = [sessionKey, shelfKey, checkpointKey(checkpoint)];
    const deleted = await this.#change<void>(session.value, keys, ([record, stored, one]) => {
      const now = this.#clock.now();
      const kept = one && (JSON.parse(one.value) as KeptCheckpoint);
      if (!sessionOf(identity, record) || !kept || isOverAge(kept.createdAt, this.#options, now)) return noCheckpoint;
      const shelf = shelfFrom(stored);
      return ok({
        value: undefined,
        change: {
          ...takeCheckpoint(kept),
          put: [putShelf({ ...shelf, count: shelf.count - 1 })],
          append: [toldOfCheckpoint('deleted', kept, now)],
        },
      });
    });
    // Nobody waits for it: the answer would come behind the event, and a pointer that leads nowhere does no harm.
    if (deleted.ok) void forgetPointers(this.#records, [checkpoint]);
    return deleted;
  }

  /**
   * The session's state and messages are again what they were. What they are now is kept first, as a checkpoint that is
   * given back with the session: so a restore can be undone.
   */
  async restore(
    identity: Identity,
    checkpoint: string,
  ): Promise<Result<{ session: SessionRecord; checkpoint: CheckpointRecord }>> {
    const found = await sessionOfCheckpoint(this.#records, checkpoint);
    if (!found.ok) return found;
    const session = found.value;
    if (session === undefined) return noCheckpoint;
    const id = newId();
    const keys = [sessionKey, deskKey, shelfKey, checkpointKey(checkpoint), stateKey(checkpoint)];
    return this.#add(session, id, keys, ([record, stored, , one, state]) => {
      const createdAt = this.#clock.now();
      const own = sessionOf(identity, record);
      const to = one && (JSON.parse(one.value) as KeptCheckpoint);
      if (!record || !own || !to || !state || isOverAge(to.createdAt, this.#options, createdAt)) return noCheckpoint;
      if (to.path.length >= mostRanges) {
        return fail('conflict', `its messages lie in ${mostRanges} pieces by restores, and can be in no more`);
      }
      const desk = deskFrom(stored);
      const after: KeptSession = { ...own, state: JSON.parse(state.value), updatedAt: createdAt };
      const back: Desk = { ...desk, path: to.path };
      const label = 'before restore';
      return ok({
        checkpoint: { checkpoint: id, session, label, tags: ['auto'], createdAt, path: desk.path },
        state: JSON.stringify(own.state),
        besides: checkpoint,
        with: ({ kept, change }) => ({
          value: { session: sessionRecordOf(after, record.rev + 1), checkpoint: recordOf(kept, own.state) },
          change: {
            ...change,
            put: [
              ...change.put,
              { key: sessionKey, value: JSON.stringify(after) },
              { key: deskKey, value: JSON.stringify(back) },
            ],
            append: [...change.append, toldOfCheckpoint('restored', to, createdAt)],
          },
        }),
      });
    });
  }

  /** What makes the state of the one out of that of the other, as JSON Patch. They may be of two sessions. */
  async diff(identity: Identity, from: string, to: string): Promise<Result<PatchOperation[]>> {
    const [old, young] = await Promise.all([this.#find(identity, from), this.#find(identity, to)]);
    if (!old.ok) return old;
    if (!young.ok) return young;
    return ok(changesBetween(old.value.parse().state, young.value.parse().state, young.value.bytes));
  }

  /** For those who work on a session's runs. */
  forAgents(): {
    create(session: string, asked?: NewCheckpoint): Promise<Result<CheckpointRecord>>;
    get(checkpoint: string): Promise<Result<CheckpointRecord>>;
  } {
    return {
      create: (session, asked = {}) => this.create(agents, { session, ...asked }),
      get: (checkpoint) => this.get(agents, checkpoint),
    };
  }

  async #find(identity: Identity, checkpoint: string): Promise<Result<Collected<CheckpointRecord>>> {
    const session = await sessionOfCheckpoint(this.#records, checkpoint);
    if (!session.ok) return session;
    if (session.value === undefined) return noCheckpoint;
    const keys = [sessionKey, checkpointKey(checkpoint), stateKey(checkpoint)];
    const read = await this.#records.read(homeOfSession(session.value), keys);
    if (!read.ok) return read;
    const [record, one, state] = read.value;
    const found = sessionOf(identity, record) && this.#collected(one, state);
    return found ? ok(found) : noCheckpoint;
  }

  async #load(
    session: string,
    checkpoints: readonly string[],
    stateless = false,
  ): Promise<Result<(Collected<CheckpointRecord> | undefined)[]>> {
    const keys = [...checkpoints.map(checkpointKey), ...(stateless ? [] : checkpoints.map(stateKey))];
    const read = await this.#records.read(homeOfSession(session), keys);
    if (!read.ok) return read;
    const stateOf = (i: number): Stored | 'unread' | undefined =>
      stateless ? 'unread' : read.value[checkpoints.length + i];
    return ok(checkpoints.map((_, i) => this.#collected(read.value[i], stateOf(i))));
  }

  /** Nothing where it is gone, or its time is over. */
  #collected(one: Stored | undefined, state: Stored | 'unread' | undefined): Collected<CheckpointRecord> | undefined {
    if (!one || !state) return undefined;
    const kept = JSON.parse(one.value) as KeptCheckpoint;
    if (isOverAge(kept.createdAt, this.#options, this.#clock.now())) return undefined;
    const text = state === 'unread' ? undefined : state.value;
    const bytes = one.value.length + (text?.length ?? 0);
    return { bytes, parse: () => recordOf(kept, text === undefined ? undefined : JSON.parse(text)) };
  }

  /** With one checkpoint more. `keys` begin with those of the session, the desk and the shelf. */
  async #add<T>(session: string, checkpoint: string, keys: readonly string[], decide: Adding<T>): Promise<Result<T>> {
    let pointed = false;
    let pushedOut: readonly string[] = [];
    const ttlMs = this.#options.checkpointTtlS * 1000 + pointerGraceMs;
    const done = await this.#change<T>(session, keys, async (found) => {
      const decided = decide(found);
      if (!decided.ok) return decided;
      const written = pointed ? ok(undefined) : await point(this.#records, checkpoint, session, ttlMs);
      if (!written.ok) return written;
      pointed = true;
      const { with: made, ...one } = decided.value;
      const added = await addOne(this.#records, shelfFrom(found[2]), one, this.#options);
      if (!added.ok) return added;
      ({ pushedOut } = added.value);
      return ok(made(added.value));
    });
    // Of an unknown outcome it is kept: the checkpoint may be there.
    const pointless = done.ok ? pushedOut : pointed && done.code !== 'unavailable' ? [checkpoint] : [];
    if (pointless.length > 0) void forgetPointers(this.#records, pointless);
    return done;
  }

  #change<T>(
    session: string,
    keys: readonly string[],
    decide: Parameters<typeof compareAndSet<T>>[3],
  ): Promise<Result<T>> {
    return this.#turns.take(session, () => compareAndSet(this.#records, homeOfSession(session), keys, decide));
  }
}
