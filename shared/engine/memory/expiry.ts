import { must } from '../../base/assert.ts';
import { mostPerSweep } from './store-time.ts';

export interface Ending {
  /** Infinity for what stays. */
  endsAt: number;
  /** Where it stands in the heap; Infinity when it does not. Begins as Infinity and is the heap's business. */
  filedAt: number;
}

interface Entry<T> {
  at: number;
  item: T;
}

/**
 * Finds what ran out, without a timer each and without looking at the rest: a heap by time. An item whose end moves
 * later is not moved, but filed again when its old place comes up, so that renewing costs nothing.
 */
export class Expiry<T extends Ending> {
  readonly #heap: Entry<T>[] = [];

  /** Call it whenever `endsAt` was set. */
  file(item: T): void {
    if (item.endsAt >= item.filedAt) return;
    item.filedAt = item.endsAt;
    this.#push({ at: item.endsAt, item });
  }

  /** Gives away what has run out. True when there is more to do than fits into one sweep. */
  sweep(now: number, gone: (item: T) => void): boolean {
    for (let taken = 0; taken < mostPerSweep; taken++) {
      const top = this.#heap[0];
      if (!top || top.at > now) return false;
      this.#dropTop();
      const { item } = top;
      if (top.at !== item.filedAt) continue;
      item.filedAt = Infinity;
      if (item.endsAt > now) this.file(item);
      else gone(item);
    }
    return true;
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap;
    let hole = heap.push(entry) - 1;
    while (hole > 0) {
      const above = (hole - 1) >> 1;
      const parent = must(heap[above]);
      if (parent.at <= entry.at) break;
      heap[hole] = parent;
      hole = above;
    }
    heap[hole] = entry;
  }

  #dropTop(): void {
    const heap = this.#heap;
    const last = must(heap.pop());
    if (heap.length === 0) return;
    let hole = 0;
    for (;;) {
      let below = 2 * hole + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && must(heap[below + 1]).at < must(heap[below]).at) below++;
      const child = must(heap[below]);
      if (child.at >= last.at) break;
      heap[hole] = child;
      hole = below;
    }
    heap[hole] = last;
  }
}
