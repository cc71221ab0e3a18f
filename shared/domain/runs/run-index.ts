import type { Clock } from '../../base/clock.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Change, Engine, Records } from '../../engine/engine.ts';
import { compareAndSet } from '../compare-and-set.ts';
import type { Decided } from '../compare-and-set.ts';
import { TakingTurns } from '../taking-turns.ts';
import { homeOfSession, sessionRuns } from '../sessions/desk.ts';

import type { Line } from './line.ts';
import { keptAfterEndMs } from './run-store.ts';
import type { Run } from './run.ts';

const home = 'runs';
/** Of all identities, or of one: newest last. */
const allList = 'all';
const ownerList = (owner: string): string => `owner:${owner}`;
/** Those that are not settled. */
const openList = 'open';
const openOfList = (owner: string): string => `open:${owner}`;
/** By the time of their end. The key says what the lists are that they stand in. */
const endedList = 'ended';
const noSession = '.';

/** Of a run that is open: whose it is. The record itself may not be written yet. */
const entryKey = (invocation: string): string => `open.${invocation}`;
/** Changed by each start of an identity that has a quota, so that of two at a time one counts again. */
const turnKey = (owner: string): string => `turn:${owner}`;
/** Longer than any start takes. */
const turnTtlMs = 60 * 60 * 1000;

/** So many ends are followed by a look for runs that are no longer kept, and at most so many are let go then. */
const endsPerPruning = 64;
const prunedAtOnce = 256;

interface Entry {
  readonly owner: string;
  readonly session?: string;
}

/**
 * Which runs there are. A run is listed before it is written, so that none can exist that the sweeper does not know of;
 * one that is never written is found by it, and dropped.
 */
export class RunIndex {
  readonly #records: Records;
  readonly #line: Line;
  readonly #clock: Clock;
  readonly #turns = new TakingTurns();
  #ends = 0;
  /** Until then all that have ended are kept, and there is nothing to look for. */
  #allKeptUntil = 0;

  constructor(engine: Pick<Engine, 'records'>, line: Line, clock: Clock) {
    this.#records = engine.records;
    this.#line = line;
    this.#clock = clock;
  }

  /**
   * Lists a run that is about to be written. `rank` is its place among the others. Gives back the rev of its entry: with
   * 1 it is the caller's own; above it, others are starting the same run. `quota_exceeded` where the identity has
   * `mostOpen` already; 0 is no limit.
   */
  opened(invocation: string, entry: Entry, rank: number, mostOpen: number): Promise<Result<{ rev: number }>> {
    const { owner, session } = entry;
    const key = entryKey(invocation);
    const put = { key, value: JSON.stringify(entry) };
    const lists = [allList, ownerList(owner), openList, openOfList(owner)];
    const decide = async (rev: number, known: Entry | undefined): Promise<Result<Decided<{ rev: number }>>> => {
      if (known && known.session !== session) return fail('busy', 'this run is being started in another session');
      // A new rev keeps whoever listed it first from taking it back.
      if (known) return ok({ value: { rev: rev + 1 }, change: { put: [put] } });
      const turn = mostOpen > 0 ? [{ key: turnKey(owner), value: '', ttlMs: turnTtlMs }] : [];
      if (mostOpen > 0) {
        const open = await this.#records.page(home, openOfList(owner), { limit: mostOpen });
        if (!open.ok) return open;
        if (open.value.keys.length >= mostOpen) {
          return fail('quota_exceeded', `${mostOpen} runs of yours have not ended`);
        }
      }
      const places = lists.map((list) => ({ list, key: invocation, score: rank }));
      return ok({ value: { rev: 1 }, change: { put: [put, ...turn], rank: places } });
    };
    const keys = mostOpen > 0 ? [key, turnKey(owner)] : [key];
    const open = (): Promise<Result<{ rev: number }>> =>
      compareAndSet(
        this.#records,
        home,
        keys,
        ([stored]) => decide(stored?.rev ?? 0, stored && (JSON.parse(stored.value) as Entry)),
        // Most ids are new, so nothing is there.
        mostOpen > 0 ? undefined : [undefined],
      );
    return mostOpen > 0 ? this.#turns.take(owner, open) : open();
  }

  /** It was not started after all. Stays where somebody else is starting the same run: then the sweeper decides. */
  async takeBack(invocation: string, { owner }: Entry, rev: number): Promise<Result<unknown>> {
    if (rev > 1) return ok(undefined);
    return this.#records.commit(home, unlisted(invocation, owner, rev));
  }

  /** It has ended, and nothing is left to do about it. */
  async closed({ invocation, owner, session = noSession, endedAt = 0 }: Run): Promise<Result<unknown>> {
    const closed = await this.#records.commit(home, {
      del: [entryKey(invocation)],
      rank: [
        { list: openList, key: invocation, score: null },
        { list: openOfList(owner), key: invocation, score: null },
        { list: endedList, key: `${endedAt} ${invocation} ${session} ${owner}`, score: endedAt },
      ],
    });
    this.#ends += 1;
    if (closed.ok && this.#ends % endsPerPruning === 0) await this.#prune();
    return closed;
  }

  /** For the sweeper: in no order that matters. */
  async openRuns(
    cursor: string | undefined,
    limit: number,
  ): Promise<Result<{ invocations: string[]; cursor?: string }>> {
    const page = await this.#records.page(home, openList, { limit, ...(cursor === undefined ? {} : { cursor }) });
    if (!page.ok) return page;
    const { keys: invocations, ...rest } = page.value;
    return ok({ invocations, ...rest });
  }

  /** Of all identities, or of one; newest first. */
  newest(
    owner: string | undefined,
    range: { cursor?: string; limit: number },
  ): Promise<Result<{ keys: string[]; cursor?: string }>> {
    const list = owner === undefined ? allList : ownerList(owner);
    return this.#records.page(home, list, { ...range, reverse: true });
  }

  /** Whose turn it is in this session. */
  async headOf(session: string): Promise<Result<string | undefined>> {
    const line = await this.#line.of(session);
    return line.ok ? ok(line.value[0]?.invocation) : line;
  }

  /**
   * One that was listed long ago and never written; out of the line of its session as well, which the sweeper moves on.
   * False where it stays. It is looked for once more after its entry was read: who writes it late lists it again before,
   * and then the entry has another rev.
   */
  async drop(invocation: string, isUnwritten: () => Promise<boolean>): Promise<Result<boolean>> {
    const read = await this.#records.read(home, [entryKey(invocation)]);
    if (!read.ok) return read;
    const stored = read.value[0];
    if (!stored || !(await isUnwritten())) return ok(false);
    const { owner, session } = JSON.parse(stored.value) as Entry;
    if (session !== undefined) {
      const left = await this.#line.leave(session, invocation);
      if (!left.ok) return left;
    }
    const dropped = await this.#records.commit(home, unlisted(invocation, owner, stored.rev));
    return dropped.ok ? ok(true) : dropped;
  }

  /** Best effort: what stays is met again the next time. */
  async #prune(): Promise<void> {
    const now = this.#clock.now();
    if (now <= this.#allKeptUntil) return;
    const oldest = await this.#records.page(home, endedList, { limit: prunedAtOnce });
    if (!oldest.ok) return;
    const ended = oldest.value.keys.map((key) => {
      const [endedAt = '', invocation = '', session = noSession, ...owner] = key.split(' ');
      return { key, invocation, session, owner: owner.join(' '), keptUntil: Number(endedAt) + keptAfterEndMs };
    });
    const gone = ended.filter(({ keptUntil }) => keptUntil < now);
    for (const { invocation, session } of gone) {
      if (session === noSession) continue;
      const left = { rank: [{ list: sessionRuns, key: invocation, score: null }] };
      const unlisted = await this.#records.commit(homeOfSession(session), left);
      if (!unlisted.ok) return;
    }
    const rank = gone.flatMap(({ key, invocation, owner }) => [
      { list: endedList, key, score: null },
      { list: allList, key: invocation, score: null },
      { list: ownerList(owner), key: invocation, score: null },
    ]);
    if (rank.length > 0) {
      const pruned = await this.#records.commit(home, { rank });
      if (!pruned.ok) return;
    }
    this.#allKeptUntil = ended[gone.length]?.keptUntil ?? 0;
  }
}

function unlisted(invocation: string, owner: string, rev: number): Change {
  const key = entryKey(invocation);
  const lists = [allList, ownerList(owner), openList, openOfList(owner)];
  return { expect: [{ key, rev }], del: [key], rank: lists.map((list) => ({ list, key: invocation, score: null })) };
}
