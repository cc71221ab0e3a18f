import type { Clock } from '../../../shared/base/clock.ts';
import type { TopicLog } from '../../../shared/engine/engine.ts';
import { Event } from './entry.ts';

const pageSize = 128;
const retryMs = 200;

/** A stretch of a topic's log, shared by all who read it, with the frames that the first of them had made. */
export interface Page {
  readonly epoch: string;
  readonly events: readonly Event[];
  /** Nothing is missing from the page's events up to here. */
  readonly upTo: number;
}

/**
 * Pages of the log for connections that catch up. Two thousand clients that come back at once from about the same
 * place cost a few reads and one encoding, not two thousand. Bounded; the page unused for longest goes first.
 */
export class Pages {
  readonly #log: TopicLog;
  readonly #clock: Clock;
  readonly #kept: number;
  readonly #pages = new Map<string, Page>();
  readonly #loading = new Map<string, ((page: Page) => void)[]>();
  #stopped = false;

  constructor(log: TopicLog, clock: Clock, kept = 2048) {
    this.#log = log;
    this.#clock = clock;
    this.#kept = kept;
  }

  /** The page with what follows `after`, if it is here, of this numbering and reaches further. */
  get(topic: string, epoch: string, after: number): Page | undefined {
    const key = keyOf(topic, after);
    const page = this.#pages.get(key);
    if (!page || page.epoch !== epoch || page.upTo <= after) return undefined;
    this.#pages.delete(key);
    this.#pages.set(key, page);
    return page;
  }

  /** Reads it anew. A store that is away is asked again until it answers or `stop`: the reader only waits. */
  load(topic: string, after: number, done: (page: Page) => void): void {
    const key = keyOf(topic, after);
    const waiting = this.#loading.get(key);
    if (waiting) {
      waiting.push(done);
      return;
    }
    this.#loading.set(key, [done]);
    void this.#read(topic, after, key);
  }

  /** Numbers may have been given out a second time: what is here proves nothing any more. */
  clear(): void {
    this.#pages.clear();
  }

  stop(): void {
    this.#stopped = true;
    this.#loading.clear();
    this.#pages.clear();
  }

  async #read(topic: string, after: number, key: string): Promise<void> {
    const start = after - (after % pageSize);
    const answer = await this.#log.read(topic, { after: start, limit: pageSize });
    if (this.#stopped) return;
    if (!answer.ok) {
      this.#clock.later(retryMs, () => void this.#read(topic, after, key));
      return;
    }
    const { head, events } = answer.value;
    const last = events.at(-1);
    const page: Page = {
      epoch: head.epoch,
      events: events.map((event) => new Event(event.topic, event.epoch, event.seq, event.ts, event.body)),
      upTo: last && events.length === pageSize ? last.seq : head.seq,
    };
    this.#pages.set(key, page);
    if (this.#pages.size > this.#kept) {
      for (const oldest of this.#pages.keys()) {
        this.#pages.delete(oldest);
        break;
      }
    }
    const waiting = this.#loading.get(key) ?? [];
    this.#loading.delete(key);
    for (const done of waiting) done(page);
  }
}

function keyOf(topic: string, after: number): string {
  return `${topic} ${after - (after % pageSize)}`;
}
