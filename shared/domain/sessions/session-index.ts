import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Records } from '../../engine/engine.ts';
import type { PageAsked } from '../collect.ts';

const home = 'sessions';
/** Of all identities, or of one: newest last. */
const allList = 'all';
const ownerList = (owner: string): string => `owner:${owner}`;
/** When the session was listed. A new rev keeps others from taking it out. */
const entryKey = (session: string): string => `entry.${session}`;

export interface Listed {
  readonly rev: number;
  readonly at: number;
}

/** Which sessions there are. One is listed before it is written; a place that leads nowhere is left out by whoever reads. */
export class SessionIndex {
  readonly #records: Records;
  #lastRank = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  async list(session: string, owner: string, now: number): Promise<Result<unknown>> {
    // Microseconds, so that those of the same millisecond and gateway stand in the order in which they were made.
    const score = (this.#lastRank = Math.max(this.#lastRank + 1, now * 1000));
    return this.#records.commit(home, {
      put: [{ key: entryKey(session), value: String(now) }],
      rank: [allList, ownerList(owner)].map((list) => ({ list, key: session, score })),
    });
  }

  /** Of all identities, or of one; newest first. */
  newest(owner: string | undefined, range: PageAsked): Promise<Result<{ keys: string[]; cursor?: string }>> {
    const list = owner === undefined ? allList : ownerList(owner);
    return this.#records.page(home, list, { ...range, reverse: true });
  }

  /** Nothing where it is not listed. */
  async find(session: string): Promise<Result<Listed | undefined>> {
    const read = await this.#records.read(home, [entryKey(session)]);
    if (!read.ok) return read;
    const entry = read.value[0];
    return ok(entry && { rev: entry.rev, at: Number(entry.value) });
  }

  /** Unless it was listed again since it was found so. `owner` is whose list led to it. */
  unlist(session: string, owner: string | undefined, found: Listed | undefined): Promise<Result<unknown>> {
    const lists = owner === undefined ? [allList] : [allList, ownerList(owner)];
    return this.#records.commit(home, {
      expect: [{ key: entryKey(session), rev: found?.rev ?? 0 }],
      del: [entryKey(session)],
      rank: lists.map((list) => ({ list, key: session, score: null })),
    });
  }
}
