import { must } from '../../base/assert.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Append, Change } from '../../engine/engine.ts';
import { maxTags } from '../../protocol/checkpoints.ts';
import type { CheckpointRecord } from '../../protocol/checkpoints.ts';
import { eventBody } from '../../wire/event-frame.ts';
import { boundedJson } from '../bounded.ts';
import { homeOfSession } from '../sessions/desk.ts';
import type { Path } from '../sessions/path.ts';

/** What there is to know about a checkpoint. Its state has a record of its own: most who look for one do not need that. */
export interface KeptCheckpoint extends Omit<CheckpointRecord, 'state' | 'tags'> {
  readonly tags: readonly string[];
  /** Its number among those of the session, the first being 1. */
  readonly number: number;
  /** The messages that the session had then. */
  readonly path: Path;
}

export interface NewCheckpoint {
  readonly label?: string | undefined;
  /** The session's, where it is left out. */
  readonly state?: unknown;
  readonly tags?: readonly string[] | undefined;
}

const longestTag = 128;
const longestLabel = 1024;

export const checkpointKey = (checkpoint: string): string => `checkpoint.${checkpoint}`;
export const stateKey = (checkpoint: string): string => `state.${checkpoint}`;
/** Of a session, by number: all of its checkpoints, or those with a tag. */
export const checkpointsList = 'checkpoints';
export const taggedList = (tag: string): string => `tagged:${tag}`;

/** Its place in the lists. The time stands in it, so that the age of one is known without reading it. */
export function placeOf({ checkpoint, createdAt }: Pick<KeptCheckpoint, 'checkpoint' | 'createdAt'>): string {
  return `${createdAt} ${checkpoint}`;
}

export function fromPlace(place: string): { checkpoint: string; createdAt: number } {
  const [createdAt = '', checkpoint = ''] = place.split(' ');
  return { checkpoint, createdAt: Number(createdAt) };
}

/** The writes that bring it, with its state as JSON. */
export function putCheckpoint(kept: KeptCheckpoint, state: string): Required<Pick<Change, 'put' | 'rank'>> {
  const { checkpoint, number } = kept;
  return {
    put: [
      { key: checkpointKey(checkpoint), value: JSON.stringify(kept) },
      { key: stateKey(checkpoint), value: state },
    ],
    rank: ranked(kept, number),
  };
}

/** The writes that take it away. */
export function takeCheckpoint(kept: KeptCheckpoint): Required<Pick<Change, 'del' | 'rank'>> {
  const { checkpoint } = kept;
  return { del: [checkpointKey(checkpoint), stateKey(checkpoint)], rank: ranked(kept, null) };
}

function ranked(kept: KeptCheckpoint, score: number | null): NonNullable<Change['rank']> {
  const lists = [checkpointsList, ...kept.tags.map(taggedList)];
  return lists.map((list) => ({ list, key: placeOf(kept), score }));
}

export type CheckpointEvent = 'created' | 'restored' | 'deleted';

/** At the time of a checkpoint's making, or of what is done with it later. */
export function toldOfCheckpoint(kind: CheckpointEvent, kept: KeptCheckpoint, at: number): Append {
  const { checkpoint, session, label, tags } = kept;
  const time = kind === 'created' ? { createdAt: at } : { at };
  const event = { kind, checkpoint, session, ...(label === undefined ? {} : { label }), tags, ...time };
  const body = eventBody(event);
  return { topic: `${homeOfSession(session)}.checkpoints`, body: must(body.ok ? body.value : undefined) };
}

export function recordOf(kept: KeptCheckpoint, state: unknown): CheckpointRecord {
  const { number: _number, path: _path, ...record } = kept;
  return { ...record, tags: [...kept.tags], state };
}

/** What is asked for, if it can be kept. `state` is JSON, and missing where the session's is wanted. */
export function checked(
  { label, tags = [], state }: NewCheckpoint,
  mostBytes: number,
): Result<{ label?: string; tags: readonly string[]; state?: string }> {
  if (label !== undefined && (typeof label !== 'string' || label.length > longestLabel)) {
    return fail('bad_request', `a label is a text of at most ${longestLabel} characters`);
  }
  const fits = (tag: unknown): boolean => typeof tag === 'string' && tag.length > 0 && tag.length <= longestTag;
  if (!Array.isArray(tags) || tags.length > maxTags || !tags.every(fits)) {
    return fail('bad_request', `tags are at most ${maxTags} texts of 1 to ${longestTag} characters`);
  }
  const text = state === undefined ? undefined : boundedJson('the state', state, mostBytes);
  if (text && !text.ok) return text;
  return ok({
    ...(label === undefined ? {} : { label }),
    tags: [...new Set<string>(tags)],
    ...(text ? { state: text.value } : {}),
  });
}

export const noCheckpoint = fail('not_found', 'there is no such checkpoint');
