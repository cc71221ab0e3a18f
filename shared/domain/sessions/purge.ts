import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Change, Records } from '../../engine/engine.ts';
import { checkpointKey, checkpointsList, fromPlace, takeCheckpoint } from '../checkpoints/checkpoint-record.ts';
import type { KeptCheckpoint } from '../checkpoints/checkpoint-record.ts';
import { forgetPointers } from '../checkpoints/pointers.ts';
import { homeOfSession, sessionRuns } from './desk.ts';
import { chosenKey, chosenList, messageKey } from './messages.ts';
import { sessionKey } from './session-record.ts';
import type { GoneSession } from './session-record.ts';

/** In one commit, during which the store does nothing else. */
const messagesAtOnce = 500;
const runsAtOnce = 500;
const checkpointsAtOnce = 50;

/**
 * Takes away what belonged to a session that is gone, piece by piece; then only its name is still held, for `heldMs`.
 * Every piece expects the session to be gone still, at this rev: what of a purge comes late harms no session that was
 * made in its place, and is a `conflict`. Whoever finds a purge that was left may begin it again. Gives back the rev.
 */
export async function purge(
  records: Records,
  session: string,
  { gone, rev }: { gone: GoneSession; rev: number },
  heldMs: number,
): Promise<Result<number>> {
  const { owner, lastMessage } = gone;
  if (lastMessage === undefined) return ok(rev);
  const home = homeOfSession(session);
  const commit = (change: Change): Promise<Result<unknown>> =>
    records.commit(home, { ...change, expect: [{ key: sessionKey, rev }] });
  for (let first = 1; first <= lastMessage; first += messagesAtOnce) {
    const size = Math.min(messagesAtOnce, lastMessage - first + 1);
    const done = await commit({ del: Array.from({ length: size }, (_, i) => messageKey(first + i)) });
    if (!done.ok) return done;
  }
  for (const purgeSome of [purgeCheckpoints, purgeChosen, purgeRuns]) {
    for (let more = true; more;) {
      const done = await purgeSome(records, home, commit);
      if (!done.ok) return done;
      more = done.value;
    }
  }
  const held: GoneSession = { gone: true, owner };
  const done = await commit({ put: [{ key: sessionKey, value: JSON.stringify(held), ttlMs: heldMs }] });
  return done.ok ? ok(rev + 1) : done;
}

type Commit = (change: Change) => Promise<Result<unknown>>;

/** Pointers first: without its checkpoint one is found by nobody. */
async function purgeCheckpoints(records: Records, home: string, commit: Commit): Promise<Result<boolean>> {
  const page = await records.page(home, checkpointsList, { limit: checkpointsAtOnce });
  if (!page.ok) return page;
  const places = page.value.keys;
  const ids = places.map((place) => fromPlace(place).checkpoint);
  const read = await records.read(home, ids.map(checkpointKey));
  if (!read.ok) return read;
  const kept = read.value.flatMap((stored) => (stored ? [JSON.parse(stored.value) as KeptCheckpoint] : []));
  const taken = kept.map(takeCheckpoint);
  const unpointed = await forgetPointers(records, ids);
  if (!unpointed.ok) return unpointed;
  const done = await commit({
    del: taken.flatMap(({ del }) => del),
    rank: [...places.map((key) => ({ list: checkpointsList, key, score: null })), ...taken.flatMap(({ rank }) => rank)],
  });
  return done.ok ? ok(page.value.cursor !== undefined) : done;
}

async function purgeChosen(records: Records, home: string, commit: Commit): Promise<Result<boolean>> {
  const page = await records.page(home, chosenList, { limit: messagesAtOnce });
  if (!page.ok) return page;
  const { keys, cursor } = page.value;
  const rank = keys.map((key) => ({ list: chosenList, key, score: null }));
  const done = await commit({ del: keys.map(chosenKey), rank });
  return done.ok ? ok(cursor !== undefined) : done;
}

/** The runs themselves are kept as they are. */
async function purgeRuns(records: Records, home: string, commit: Commit): Promise<Result<boolean>> {
  const page = await records.page(home, sessionRuns, { limit: runsAtOnce });
  if (!page.ok) return page;
  const done = await commit({ rank: page.value.keys.map((key) => ({ list: sessionRuns, key, score: null })) });
  return done.ok ? ok(page.value.cursor !== undefined) : done;
}
