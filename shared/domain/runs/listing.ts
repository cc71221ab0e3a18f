import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Engine } from '../../engine/engine.ts';
import type { RunState } from '../../protocol/runs.ts';
import type { Identity } from '../identity.ts';
import { homeOfSession, sessionRuns } from '../sessions/desk.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { RunIndex } from './run-index.ts';
import type { Run } from './run.ts';
import type { RunStore } from './run-store.ts';

/** Runs are read one by one, so many at a time. */
const pageSize = 100;
/** In one call. What is looked for by state may be rare: the caller gets a cursor and asks on. */
const mostLookedAt = 1000;

export interface RunsAsked {
  readonly session?: string;
  readonly state?: RunState;
  readonly limit: number;
  readonly cursor?: string;
}

export interface ListingParts {
  readonly engine: Pick<Engine, 'records'>;
  readonly store: RunStore;
  readonly index: RunIndex;
  readonly sessions: Sessions;
}

export interface RunsPage {
  readonly runs: Run[];
  readonly cursor?: string;
}

type ReadPage = (range: { cursor?: string; limit: number }) => Promise<Result<{ keys: string[]; cursor?: string }>>;

/** The runs that an identity may see, newest first. Those that are no longer kept, and those not written yet, are left out. */
export async function listRuns(parts: ListingParts, identity: Identity, asked: RunsAsked): Promise<Result<RunsPage>> {
  const { session, state, limit } = asked;
  if (asked.cursor !== undefined && !/^\d+:[\w-]+$/.test(asked.cursor)) {
    return fail('bad_request', 'this cursor is not from a page before');
  }
  if (session !== undefined) {
    const found = await parts.sessions.get(identity, session);
    if (!found.ok) return found;
  }
  const page = pagesFor(parts, identity, session);
  const wanted = (run: Run): boolean =>
    (identity.admin || run.owner === identity.id) && (state === undefined || run.state === state);
  const runs: Run[] = [];
  let { cursor } = asked;
  for (let looked = 0; looked < mostLookedAt;) {
    const from = cursor === undefined ? {} : { cursor };
    const read = await page({
      ...from,
      limit: Math.min(pageSize, state === undefined ? limit - runs.length : pageSize),
    });
    if (!read.ok) return read;
    const { keys } = read.value;
    const found = await loadAll(parts.store, keys);
    if (!found.ok) return found;
    looked += keys.length;
    ({ cursor } = read.value);
    for (const [i, run] of found.value.entries()) {
      if (!run || !wanted(run)) continue;
      runs.push(run);
      if (runs.length < limit) continue;
      // The page went on behind the last one that is given out: where that stands, a shorter page tells.
      const upTo = i + 1 < keys.length ? await page({ ...from, limit: i + 1 }) : read;
      return upTo.ok ? ok(pageOf(runs, upTo.value.cursor)) : upTo;
    }
    if (cursor === undefined) break;
  }
  return ok(pageOf(runs, cursor));
}

function pagesFor({ engine, index }: ListingParts, identity: Identity, session: string | undefined): ReadPage {
  if (session === undefined) return (range) => index.newest(identity.admin ? undefined : identity.id, range);
  return (range) => engine.records.page(homeOfSession(session), sessionRuns, { ...range, reverse: true });
}

async function loadAll(store: RunStore, invocations: readonly string[]): Promise<Result<(Run | undefined)[]>> {
  const loaded = await Promise.all(invocations.map((invocation) => store.load(invocation)));
  const runs: (Run | undefined)[] = [];
  for (const result of loaded) {
    if (!result.ok && result.code !== 'not_found') return result;
    runs.push(result.ok ? result.value.run : undefined);
  }
  return ok(runs);
}

function pageOf(runs: Run[], cursor: string | undefined): RunsPage {
  return cursor === undefined ? { runs } : { runs, cursor };
}
