import type { Clock } from '../../base/clock.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { Records } from '../../engine/engine.ts';
import { eventBody } from '../../wire/event-frame.ts';
import { notPlain } from '../../wire/plain.ts';
import { deskFrom, deskKey, homeOfSession } from '../sessions/desk.ts';

export interface CheckpointRecord {
  readonly checkpoint: string;
  readonly session: string;
  readonly label?: string;
  readonly tags: readonly string[];
  readonly state: unknown;
  readonly createdAt: number;
}

interface KeptCheckpoint extends CheckpointRecord {
  /** How many messages the session had then. */
  readonly messages: number;
}

export interface NewCheckpoint {
  readonly label?: string;
  /** The session's, where it is left out. */
  readonly state?: unknown;
  readonly tags?: readonly string[];
}

const checkpointKey = (checkpoint: string): string => `checkpoint.${checkpoint}`;
const checkpointsList = 'checkpoints';
/** A checkpoint lives with its session; a record in a home of its own tells which session that is. */
const homeOfCheckpoint = (checkpoint: string): string => `checkpoint.${checkpoint}`;
const pointerKey = 'session';

/** States of sessions, kept under a name to come back to. */
export class Checkpoints {
  readonly #records: Records;
  readonly #sessions: { stateOf(session: string): Promise<Result<unknown>> };
  readonly #clock: Clock;

  constructor(records: Records, sessions: { stateOf(session: string): Promise<Result<unknown>> }, clock: Clock) {
    this.#records = records;
    this.#sessions = sessions;
    this.#clock = clock;
  }

  /** The pointer is written first: one that leads nowhere is `not_found`, while a checkpoint without one could not be found. */
  async create(session: string, asked: NewCheckpoint = {}): Promise<Result<CheckpointRecord>> {
    const { label, tags = [] } = asked;
    const state = await this.#sessions.stateOf(session);
    if (!state.ok) return state;
    const desk = await this.#records.read(homeOfSession(session), [deskKey]);
    if (!desk.ok) return desk;
    const record: CheckpointRecord = {
      checkpoint: newId(),
      session,
      ...(label === undefined ? {} : { label }),
      tags,
      state: asked.state === undefined ? state.value : asked.state,
      createdAt: this.#clock.now(),
    };
    const fault = notPlain(record);
    if (fault !== undefined) return fail('bad_request', `the checkpoint is refused: ${fault}`);
    const { checkpoint, createdAt } = record;
    const body = eventBody({ kind: 'created', checkpoint, ...(label === undefined ? {} : { label }), tags, createdAt });
    if (!body.ok) return body;
    const pointed = await this.#records.commit(homeOfCheckpoint(checkpoint), {
      put: [{ key: pointerKey, value: session }],
    });
    if (!pointed.ok) return pointed;
    const kept: KeptCheckpoint = { ...record, messages: deskFrom(desk.value[0]).messages };
    const made = await this.#records.commit(homeOfSession(session), {
      put: [{ key: checkpointKey(checkpoint), value: JSON.stringify(kept) }],
      rank: [{ list: checkpointsList, key: checkpoint, score: createdAt }],
      append: [{ topic: `${homeOfSession(session)}.checkpoints`, body: body.value }],
    });
    return made.ok ? ok(record) : made;
  }

  async get(checkpoint: string): Promise<Result<CheckpointRecord>> {
    const pointed = await this.#records.read(homeOfCheckpoint(checkpoint), [pointerKey]);
    if (!pointed.ok) return pointed;
    const session = pointed.value[0]?.value;
    if (session === undefined) return notFound;
    const read = await this.#records.read(homeOfSession(session), [checkpointKey(checkpoint)]);
    if (!read.ok) return read;
    if (!read.value[0]) return notFound;
    const { messages: _, ...record } = JSON.parse(read.value[0].value) as KeptCheckpoint;
    return ok(record);
  }
}

const notFound = fail('not_found', 'there is no such checkpoint');
