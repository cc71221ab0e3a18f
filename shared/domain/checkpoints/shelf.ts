import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Append, Change, Records, Stored } from '../../engine/engine.ts';
import { homeOfSession } from '../sessions/desk.ts';
import {
  checkpointKey,
  checkpointsList,
  fromPlace,
  putCheckpoint,
  takeCheckpoint,
  toldOfCheckpoint,
} from './checkpoint-record.ts';
import type { KeptCheckpoint } from './checkpoint-record.ts';

/** Written with every change to which checkpoints a session has, so that of two at a time one looks again. */
export interface Shelf {
  /** The last number that was given to one. */
  readonly last: number;
  readonly count: number;
  /** None was made before this. */
  readonly oldestAt: number;
}

export const shelfKey = 'shelf';

/** What one more may push out. More are over-age or too many only after a setting was changed, and go with the next ones. */
const pushedOutAtOnce = 8;

export interface Retention {
  /** So many of a session are kept, and for so long. */
  readonly checkpointsPerSession: number;
  readonly checkpointTtlS: number;
}

export function isOverAge(createdAt: number, { checkpointTtlS }: Retention, now: number): boolean {
  return createdAt + checkpointTtlS * 1000 <= now;
}

export function shelfFrom(stored: Stored | undefined): Shelf {
  return stored ? (JSON.parse(stored.value) as Shelf) : { last: 0, count: 0, oldestAt: 0 };
}

export function putShelf(shelf: Shelf): { key: string; value: string } {
  return { key: shelfKey, value: JSON.stringify(shelf) };
}

export interface OneMore {
  readonly checkpoint: Omit<KeptCheckpoint, 'number'>;
  /** As JSON. */
  readonly state: string;
  /** Another one that is to stay, however old. */
  readonly besides?: string;
}

export interface Added {
  readonly kept: KeptCheckpoint;
  readonly change: Required<Pick<Change, 'put' | 'del' | 'rank' | 'append'>>;
  readonly pushedOut: readonly string[];
}

/** What is to be written for one more checkpoint. The oldest go where there are too many, or where their time is over. */
export async function addOne(
  records: Records,
  shelf: Shelf,
  { checkpoint, state, besides }: OneMore,
  retention: Retention,
): Promise<Result<Added>> {
  const { session, createdAt: now } = checkpoint;
  const tooMany = shelf.count + 1 - retention.checkpointsPerSession;
  const due = shelf.count > 0 && (tooMany > 0 || isOverAge(shelf.oldestAt, retention, now));
  const oldest = due ? await oldestOf(records, session) : ok([]);
  if (!oldest.ok) return oldest;
  const pushedOut = oldest.value
    .filter((one) => one.checkpoint !== besides)
    .filter(({ createdAt }, i) => i < tooMany || isOverAge(createdAt, retention, now))
    .slice(0, pushedOutAtOnce)
    .map((one) => one.checkpoint);
  const read = pushedOut.length > 0 ? await records.read(homeOfSession(session), pushedOut.map(checkpointKey)) : ok([]);
  if (!read.ok) return read;
  const gone = read.value.flatMap((stored) => (stored ? [JSON.parse(stored.value) as KeptCheckpoint] : []));
  const taken = gone.map(takeCheckpoint);
  const next = oldest.value.find((one) => !pushedOut.includes(one.checkpoint));
  const kept: KeptCheckpoint = { ...checkpoint, number: shelf.last + 1 };
  const brought = putCheckpoint(kept, state);
  const append: Append[] = gone.map((one) => toldOfCheckpoint('deleted', one, now));
  const after: Shelf = {
    last: kept.number,
    count: shelf.count - pushedOut.length + 1,
    oldestAt: due ? (next?.createdAt ?? now) : shelf.count > 0 ? shelf.oldestAt : now,
  };
  return ok({
    kept,
    pushedOut,
    change: {
      put: [...brought.put, putShelf(after)],
      del: taken.flatMap(({ del }) => del),
      rank: [...taken.flatMap(({ rank }) => rank), ...brought.rank],
      append: [...append, toldOfCheckpoint('created', kept, now)],
    },
  });
}

/** One is to stay, perhaps, and one tells how old the rest is. */
async function oldestOf(records: Records, session: string): Promise<Result<ReturnType<typeof fromPlace>[]>> {
  const page = await records.page(homeOfSession(session), checkpointsList, { limit: pushedOutAtOnce + 2 });
  return page.ok ? ok(page.value.keys.map(fromPlace)) : page;
}
