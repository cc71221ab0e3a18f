import type { Result } from '../../base/errors.ts';
import type { Append, Appended, LogEvent, LogListener, TopicHead, TopicLog } from '../engine.ts';
import type { Appender } from './append-batcher.ts';
import type { LiveFeed } from './live-feed.ts';
import type { LogReader } from './log-reader.ts';
import type { Watches } from './watches.ts';

/** The topic log, put together of its four parts. */
export class RedisLog implements TopicLog {
  readonly #appender: Appender;
  readonly #reader: LogReader;
  readonly #watches: Watches;
  readonly #feed: LiveFeed;

  constructor(appender: Appender, reader: LogReader, watches: Watches, feed: LiveFeed) {
    this.#appender = appender;
    this.#reader = reader;
    this.#watches = watches;
    this.#feed = feed;
  }

  append(event: Append): Promise<Result<Appended>> {
    return this.#appender.append(event);
  }

  heads(asks: readonly { topic: string; since?: number }[]): Promise<Result<{ time: number; heads: TopicHead[] }>> {
    return this.#reader.heads(asks);
  }

  read(
    topic: string,
    range: { after?: number; limit: number; reverse?: boolean },
  ): Promise<Result<{ head: TopicHead; events: LogEvent[] }>> {
    return this.#reader.read(topic, range);
  }

  active(since: number): Promise<Result<string[]>> {
    return this.#reader.active(since);
  }

  renumber(topic: string, epoch: string): Promise<Result<void>> {
    return this.#reader.renumber(topic, epoch);
  }

  watch(topics: readonly string[]): Promise<Result<void>> {
    return this.#watches.watch(topics);
  }

  unwatch(topics: readonly string[]): void {
    this.#watches.unwatch(topics);
  }

  watchAll(on: boolean): Promise<Result<void>> {
    return this.#watches.watchAll(on);
  }

  listen(listener: LogListener): void {
    this.#feed.listen(listener);
  }
}
