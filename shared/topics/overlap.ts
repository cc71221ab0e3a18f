import { isPattern } from './grammar.ts';
import { matches, startsWithWildcard } from './match.ts';

/**
 * Can any topic match both? Each side is a topic or a pattern that has passed the grammar. The limits on the length
 * of a topic are left out of account: two patterns that meet only in a topic that is too long count as overlapping.
 */
export function overlaps(a: string, b: string): boolean {
  if (a === b) return true;
  if (!isPattern(a)) return isPattern(b) && matches(b, a);
  if (!isPattern(b)) return matches(a, b);
  return new Meeting(a, b).possible(0, 0, true);
}

/**
 * Reads both patterns side by side, one segment of an imagined topic at a time. Each pair of places is tried once, so
 * that the cost stays at the product of the two lengths however many `#` there are.
 */
class Meeting {
  readonly #a: string[];
  readonly #b: string[];
  readonly #openOnly: boolean;
  readonly #tried: Uint8Array;

  constructor(a: string, b: string) {
    this.#a = a.split('.');
    this.#b = b.split('.');
    this.#openOnly = startsWithWildcard(a) || startsWithWildcard(b);
    this.#tried = new Uint8Array((this.#a.length + 1) * (this.#b.length + 1) * 2);
  }

  /** Have `a` from segment `i` on and `b` from segment `j` on a sequence of segments in common? `first`: none was read yet. */
  possible(i: number, j: number, first: boolean): boolean {
    const place = (i * (this.#b.length + 1) + j) * 2 + (first ? 1 : 0);
    if (this.#tried[place] === 1) return false;
    this.#tried[place] = 1;
    const left = this.#a[i];
    const right = this.#b[j];
    if (left === undefined && right === undefined) return !first;
    if (left === '#' && this.possible(i + 1, j, first)) return true;
    if (right === '#' && this.possible(i, j + 1, first)) return true;
    if (left === undefined || right === undefined) return false;
    const segment = common(left, right);
    if (segment === undefined) return false;
    const nextI = left === '#' ? i : i + 1;
    const nextJ = right === '#' ? j : j + 1;
    if (first && this.#openOnly && !this.#mayOpen(segment, nextI, nextJ)) return false;
    return this.possible(nextI, nextJ, false);
  }

  /** With a wildcard in front of either, the topic must not be one of the system's; a bare `run` or `session` is not. */
  #mayOpen(segment: string, i: number, j: number): boolean {
    if (segment.startsWith('$')) return false;
    if (segment !== 'run' && segment !== 'session') return true;
    return this.#a.slice(i).every((other) => other === '#') && this.#b.slice(j).every((other) => other === '#');
  }
}

/** The one segment that both take, `*` for any; nothing when they differ. */
function common(left: string, right: string): string | undefined {
  if (left === '*' || left === '#') return right === '#' ? '*' : right;
  if (right === '*' || right === '#' || left === right) return left;
  return undefined;
}
