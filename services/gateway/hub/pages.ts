import type { Clock } from '../../../shared/base/clock.ts';
import type { TopicLog } from '../../../shared/engine/engine.ts';
import { Event } from './entry.ts';

const pageSize = 128;
const maxBytes = 64 * 1024 * 1024;
const retryMs = 200;

type Done = (page: Page, fresh: boolean) => void;

/** A stretch of a topic's log, shared by all who read it, with the frames that the first of them had made. */
export interface Page {
  readonly epoch: string;
  readonly events: readonly Event[];
  /** Nothing is missing from the page's events up to here. */
  readonly upTo: number;
  readonly bytes: number;
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
  readonly #loading = new Map<string, Done[]>();
  #bytes = 0;
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

  /**
   * Reads it anew, or waits for a read that is under way: that one may have been asked before what the reader knows of
   * came to be, and is then not `fresh`. A store that is away is asked again until it answers or `stop`: the reader only waits.
   */
  load(topic: string, after: number, done: Done): void {
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
    this.#bytes = 0;
  }

  stop(): void {
    this.#stopped = true;
    this.#loading.clear();
    this.#pages.clear();
  }

  #keep(key: string, page: Page): void {
    this.#bytes += page.bytes - (this.#pages.get(key)?.bytes ?? 0);
    this.#pages.delete(key);
    this.#pages.set(key, page);
    for (const [oldest, { bytes }] of this.#pages) {
      const fits = this.#pages.size <= this.#kept && this.#bytes <= maxBytes;
      // The one just read stays, however large: somebody is about to send it.
      if (fits || oldest === key) return;
      this.#pages.delete(oldest);
      this.#bytes -= bytes;
    }
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
      bytes: events.reduce((sum, { body }) => sum + body.length, 0),
    };
    this.#keep(key, page);
    const waiting = this.#loading.get(key) ?? [];
    this.#loading.delete(key);
    waiting.forEach((done, i) => done(page, i === 0));
  }
}

function keyOf(topic: string, after: number): string {
  return `${topic} ${after - (after % pageSize)}`;
}
