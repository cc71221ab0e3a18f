import { ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';

/** Records are as large as a frame at most: so many are read in one go. */
const atOnce = 50;
/** In one call. Where most keys lead nowhere the caller gets a cursor and asks on. */
const mostLookedAt = 1000;
/** A page ends with the record that reaches this. */
const mostBytes = 1024 * 1024;

export interface PageAsked {
  readonly limit: number;
  readonly cursor?: string;
}

export type ReadKeys = (range: PageAsked) => Promise<Result<{ keys: string[]; cursor?: string }>>;

/** A record before it is parsed, which is done for those that are handed out. */
export interface Collected<T> {
  readonly bytes: number;
  readonly parse: () => T;
}

/** A page of records that are kept apart from the list that names them. Those that are left out have `undefined`. */
export async function collect<T>(
  asked: PageAsked,
  readKeys: ReadKeys,
  load: (keys: readonly string[]) => Promise<Result<(Collected<T> | undefined)[]>>,
): Promise<Result<{ items: T[]; cursor?: string }>> {
  const items: T[] = [];
  let { cursor } = asked;
  let bytes = 0;
  for (let looked = 0; looked < mostLookedAt;) {
    const from = cursor === undefined ? {} : { cursor };
    const read = await readKeys({ ...from, limit: Math.min(atOnce, asked.limit - items.length) });
    if (!read.ok) return read;
    const { keys } = read.value;
    const loaded = await load(keys);
    if (!loaded.ok) return loaded;
    looked += keys.length;
    ({ cursor } = read.value);
    for (const [i, found] of loaded.value.entries()) {
      if (!found) continue;
      items.push(found.parse());
      bytes += found.bytes;
      if (items.length < asked.limit && bytes < mostBytes) continue;
      // The keys go on behind the last one that is given out: where that stands, a shorter page tells.
      const upTo = i + 1 < keys.length ? await readKeys({ ...from, limit: i + 1 }) : read;
      return upTo.ok ? ok(pageOf(items, upTo.value.cursor)) : upTo;
    }
    if (cursor === undefined) break;
  }
  return ok(pageOf(items, cursor));
}

function pageOf<T>(items: T[], cursor: string | undefined): { items: T[]; cursor?: string } {
  return cursor === undefined ? { items } : { items, cursor };
}
