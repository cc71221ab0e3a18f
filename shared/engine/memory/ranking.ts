import { must } from '../../base/assert.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';

interface Place {
  readonly score: number;
  readonly key: string;
}

/**
 * An ordered list of keys. A sorted array: most scores are times, so most keys go to its end, and moving the tail for
 * the others is one memory copy.
 */
export class Ranking {
  readonly #scores = new Map<string, number>();
  readonly #places: Place[] = [];

  get size(): number {
    return this.#places.length;
  }

  set(key: string, score: number | null): void {
    const old = this.#scores.get(key);
    if (old === score) return;
    if (old !== undefined) {
      this.#scores.delete(key);
      this.#places.splice(this.#firstFrom({ score: old, key }), 1);
    }
    if (score === null) return;
    this.#scores.set(key, score);
    this.#places.splice(this.#firstFrom({ score, key }), 0, { score, key });
  }

  /** The cursor names the last place that was given, not its number: the keys around it may come and go between two pages. */
  page(range: { cursor?: string; limit: number; reverse?: boolean }): Result<{ keys: string[]; cursor?: string }> {
    const from = range.cursor === undefined ? undefined : parseCursor(range.cursor);
    if (range.cursor !== undefined && !from) return fail('bad_request', 'the cursor is not one that was given out');
    const { start, end, more } = range.reverse ? this.#down(from, range.limit) : this.#up(from, range.limit);
    const places = this.#places.slice(start, end);
    if (range.reverse) places.reverse();
    const keys = places.map((place) => place.key);
    const last = places.at(-1);
    return ok(more && last ? { keys, cursor: `${last.score}:${last.key}` } : { keys });
  }

  #up(from: Place | undefined, limit: number): { start: number; end: number; more: boolean } {
    let start = from ? this.#firstFrom(from) : 0;
    if (from && this.#scores.get(from.key) === from.score) start++;
    const end = Math.min(start + limit, this.#places.length);
    return { start, end, more: end < this.#places.length };
  }

  #down(from: Place | undefined, limit: number): { start: number; end: number; more: boolean } {
    const end = from ? this.#firstFrom(from) : this.#places.length;
    const start = Math.max(end - limit, 0);
    return { start, end, more: start > 0 };
  }

  /** The index of the first place that is not before this one. */
  #firstFrom(place: Place): number {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(must(this.#places[middle]), place)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isBefore(a: Place, b: Place): boolean {
  return a.score === b.score ? a.key < b.key : a.score < b.score;
}

function parseCursor(cursor: string): Place | undefined {
  const colon = cursor.indexOf(':');
  const score = colon > 0 ? Number(cursor.slice(0, colon)) : NaN;
  return Number.isNaN(score) ? undefined : { score, key: cursor.slice(colon + 1) };
}
