import { assert } from '../../base/assert.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Failure, Result } from '../../base/errors.ts';
import type { Appended, Change, Records, Stored } from '../engine.ts';
import { assertSound } from '../sound-change.ts';
import { Expiry } from './expiry.ts';
import type { Ending } from './expiry.ts';
import type { MemoryLog } from './log.ts';
import { Ranking } from './ranking.ts';

interface Held extends Ending {
  readonly home: Home;
  readonly key: string;
  value: string;
  rev: number;
}

interface HeldList extends Ending {
  readonly home: Home;
  readonly name: string;
  readonly ranking: Ranking;
}

interface Home {
  readonly name: string;
  readonly records: Map<string, Held>;
  readonly lists: Map<string, HeldList>;
}

/** Each home has keys and lists of its own. A home without any is no longer held. */
export class MemoryRecords implements Records {
  readonly #log: Pick<MemoryLog, 'refusalOf' | 'appendAt'>;
  readonly #now: () => number;
  readonly #homes = new Map<string, Home>();
  readonly #expiry = new Expiry<Held>();
  readonly #listExpiry = new Expiry<HeldList>();

  constructor(log: Pick<MemoryLog, 'refusalOf' | 'appendAt'>, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  read(home: string, keys: readonly string[]): Promise<Result<(Stored | undefined)[]>> {
    const now = this.#now();
    const stored = keys.map((key) => {
      const held = this.#find(home, key, now);
      return held && { value: held.value, rev: held.rev };
    });
    return Promise.resolve(ok(stored));
  }

  page(
    home: string,
    list: string,
    range: { cursor?: string; limit: number; reverse?: boolean },
  ): Promise<Result<{ keys: string[]; cursor?: string }>> {
    const held = this.#homes.get(home)?.lists.get(list);
    const lasts = held !== undefined && held.endsAt > this.#now();
    return Promise.resolve(lasts ? held.ranking.page(range) : ok({ keys: [] }));
  }

  async commit(home: string, change: Change): Promise<Result<{ appended: Appended[] }>> {
    assertSound(home, change);
    const appends = change.append ?? [];
    const now = this.#now();
    const refusal = this.#unexpected(home, change, now) ?? this.#log.refusalOf(appends);
    if (refusal) return refusal;

    // Nothing from here on can fail or be seen half done: it is one turn.
    this.#change(home, change, now);
    const appended: Appended[] = [];
    for (const event of appends) {
      const result = this.#log.appendAt(event, now);
      assert(result.ok, 'the log refused an append that it had allowed');
      appended.push(result.value);
    }
    return ok({ appended });
  }

  /** True when there is more to do than fits into one sweep. */
  sweep(now: number): boolean {
    const moreRecords = this.#expiry.sweep(now, (held) => {
      if (held.home.records.get(held.key) === held) held.home.records.delete(held.key);
      this.#tidy(held.home);
    });
    const moreLists = this.#listExpiry.sweep(now, (held) => {
      if (held.home.lists.get(held.name) === held) held.home.lists.delete(held.name);
      this.#tidy(held.home);
    });
    return moreRecords || moreLists;
  }

  #find(home: string, key: string, now: number): Held | undefined {
    const held = this.#homes.get(home)?.records.get(key);
    return held && held.endsAt > now ? held : undefined;
  }

  #unexpected(home: string, change: Change, now: number): Failure | undefined {
    for (const { key, rev } of change.expect ?? []) {
      const found = this.#find(home, key, now)?.rev ?? 0;
      if (found !== rev) return fail('conflict', 'the record has changed', { key, expected: rev, found });
    }
    return undefined;
  }

  #change(name: string, change: Change, now: number): void {
    let home = this.#homes.get(name);
    if (!home) this.#homes.set(name, (home = { name, records: new Map(), lists: new Map() }));
    for (const put of change.put ?? []) this.#put(home, put, now);
    for (const key of change.del ?? []) this.#delete(home, key);
    for (const { list, key, score } of change.rank ?? []) {
      const { ranking } = this.#list(home, list, now);
      ranking.set(key, score);
      if (ranking.size === 0) home.lists.delete(list);
    }
    for (const { list, ttlMs } of change.keepLists ?? []) {
      const held = home.lists.get(list);
      if (!held || held.endsAt <= now) continue;
      held.endsAt = held.endsAt === Infinity ? now + ttlMs : Math.max(held.endsAt, now + ttlMs);
      this.#listExpiry.file(held);
    }
    this.#tidy(home);
  }

  /** One that is over, and not swept yet, begins anew. */
  #list(home: Home, name: string, now: number): HeldList {
    let held = home.lists.get(name);
    if (!held || held.endsAt <= now) {
      held = { home, name, ranking: new Ranking(), endsAt: Infinity, filedAt: Infinity };
      home.lists.set(name, held);
    }
    return held;
  }

  #put(home: Home, put: { key: string; value: string; ttlMs?: number }, now: number): void {
    const { key, value, ttlMs } = put;
    let held = home.records.get(key);
    if (!held) home.records.set(key, (held = { home, key, value, rev: 0, endsAt: Infinity, filedAt: Infinity }));
    held.value = value;
    held.rev = held.endsAt > now ? held.rev + 1 : 1;
    held.endsAt = ttlMs === undefined ? Infinity : now + ttlMs;
    this.#expiry.file(held);
  }

  #delete(home: Home, key: string): void {
    const held = home.records.get(key);
    if (!held) return;
    home.records.delete(key);
    // It stays filed until its time: without this, so would what it held.
    held.value = '';
  }

  #tidy(home: Home): void {
    if (home.records.size === 0 && home.lists.size === 0) this.#homes.delete(home.name);
  }
}
