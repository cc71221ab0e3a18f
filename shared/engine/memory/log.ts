import { fail, ok } from '../../base/errors.ts';
import type { Failure, Result } from '../../base/errors.ts';
import { shortId } from '../../base/ids.ts';
import type { Append, Appended, LogEvent, LogListener, TopicHead, TopicLog } from '../engine.ts';
import { Duplicates } from './duplicates.ts';
import { Live } from './live.ts';
import { Recency } from './recency.ts';
import { mostPerSweep } from './store-time.ts';
import { Topic } from './topic.ts';

export interface Retention {
  historySize: number;
  historyTtlMs: number;
  metaTtlMs: number;
}

/**
 * The topics in this process. A topic is in one of three lists, each in order of its last event: `#kept` while it has
 * events that are young enough, then `#retained` if the last one stays, `#numbered` if only the numbering is left. So
 * what is active, too old or to be forgotten is found at an end of a list, and a sweep never looks at the rest.
 */
export class MemoryLog implements TopicLog {
  readonly #retention: Retention;
  readonly #now: () => number;
  readonly #topics = new Map<string, Topic>();
  readonly #kept = new Recency<Topic>();
  readonly #retained = new Recency<Topic>();
  readonly #numbered = new Recency<Topic>();
  readonly #duplicates = new Duplicates();
  readonly #live = new Live();

  constructor(retention: Retention, now: () => number) {
    this.#retention = retention;
    this.#now = now;
  }

  append(event: Append): Promise<Result<Appended>> {
    return Promise.resolve(this.appendAt(event, this.#now()));
  }

  appendAt(event: Append, now: number): Result<Appended> {
    const topic = this.#topics.get(event.topic);
    if (topic) {
      const first = this.#duplicateOf(topic, event);
      if (first) return ok({ seq: first.seq, epoch: topic.epoch, ts: first.ts, duplicate: true });
      const refusal = refusalBy(topic, event);
      if (refusal) return refusal;
    }
    if (!event.ephemeral) return ok(this.#keep(topic ?? this.#create(event.topic), event, now));
    this.#live.passing(event.topic, topic, event.body, now);
    return ok({ seq: 0, epoch: '', ts: now, duplicate: false });
  }

  /** Whether these can all be appended now, one after the other: an earlier one may raise a fence or set a seal. */
  refusalOf(events: readonly Append[]): Failure | undefined {
    const ahead = new Map<string, { fence: number; sealed: boolean; ids: Set<string> }>();
    for (const event of events) {
      const topic = this.#topics.get(event.topic);
      if (topic && this.#duplicateOf(topic, event)) continue;
      let state = ahead.get(event.topic);
      if (!state) {
        state = { fence: topic?.fence ?? -Infinity, sealed: topic?.sealed ?? false, ids: new Set() };
        ahead.set(event.topic, state);
      }
      if (!event.ephemeral && event.messageId !== undefined && state.ids.has(event.messageId)) continue;
      const refusal = refusalBy(state, event);
      if (refusal) return refusal;
      if (event.ephemeral) continue;
      if (event.fence !== undefined) state.fence = event.fence;
      if (event.seal) state.sealed = true;
      if (event.messageId !== undefined) state.ids.add(event.messageId);
    }
    return undefined;
  }

  heads(asks: readonly { topic: string; since?: number }[]): Promise<Result<{ time: number; heads: TopicHead[] }>> {
    const time = this.#now();
    const heads = asks.map((ask) => this.#current(ask.topic, time)?.head(ask.since) ?? unused(ask.topic));
    return Promise.resolve(ok({ time, heads }));
  }

  read(
    name: string,
    range: { after?: number; limit: number; reverse?: boolean },
  ): Promise<Result<{ head: TopicHead; events: LogEvent[] }>> {
    const topic = this.#current(name, this.#now());
    if (!topic) return Promise.resolve(ok({ head: unused(name), events: [] }));
    const events = range.reverse
      ? topic.before(range.after ?? Infinity, range.limit)
      : topic.after(range.after ?? 0, range.limit);
    return Promise.resolve(ok({ head: topic.head(), events }));
  }

  active(since: number): Promise<Result<string[]>> {
    const names: string[] = [];
    for (const list of [this.#kept, this.#retained])
      for (let topic = list.newest; topic && topic.ts >= since; topic = topic.older) names.push(topic.name);
    return Promise.resolve(ok(names));
  }

  renumber(name: string, epoch: string): Promise<Result<void>> {
    const topic = this.#topics.get(name);
    if (topic?.epoch === epoch) topic.epoch = shortId();
    return Promise.resolve(ok(undefined));
  }

  watch(topics: readonly string[]): Promise<Result<void>> {
    this.#live.watch(topics);
    return Promise.resolve(ok(undefined));
  }

  unwatch(topics: readonly string[]): void {
    this.#live.unwatch(topics);
  }

  watchAll(on: boolean): Promise<Result<void>> {
    this.#live.watchAll(on);
    return Promise.resolve(ok(undefined));
  }

  listen(listener: LogListener): void {
    this.#live.listen(listener);
  }

  stop(): void {
    this.#live.stop();
  }

  /** True when there is more to do than fits into one sweep. */
  sweep(now: number): boolean {
    this.#duplicates.age(now);
    let left = mostPerSweep;
    const tooOld = now - this.#retention.historyTtlMs;
    for (let topic = this.#kept.oldest; topic && topic.ts <= tooOld && left > 0; topic = this.#kept.oldest, left--) {
      topic.expire(tooOld);
      this.#kept.remove(topic);
      topic.resting = topic.retained ? this.#retained : this.#numbered;
      topic.resting.add(topic);
    }
    for (const list of [this.#retained, this.#numbered]) left = this.#forget(list, now, left);
    return left === 0;
  }

  #forget(list: Recency<Topic>, now: number, atMost: number): number {
    let left = atMost;
    const tooOld = now - this.#retention.metaTtlMs;
    for (let topic = list.oldest; topic && topic.ts <= tooOld && left > 0; topic = list.oldest, left--) {
      // A topic that is forgotten takes its message ids along, and those are promised for longer.
      if (this.#duplicates.knows(topic)) break;
      list.remove(topic);
      this.#topics.delete(topic.name);
    }
    return left;
  }

  #keep(topic: Topic, event: Append, now: number): Appended {
    const previousTs = topic.ts;
    const { historySize, historyTtlMs } = this.#retention;
    topic.expire(now - historyTtlMs);
    topic.push(event.body, now, event.keep ?? historySize);
    this.#refresh(topic);
    if (event.fence !== undefined) topic.fence = event.fence;
    if (event.seal) topic.sealed = true;
    topic.retained = event.retain === true;
    if (event.messageId !== undefined) this.#duplicates.remember(topic, event.messageId);
    this.#live.kept(topic, event.body, previousTs);
    return { seq: topic.seq, epoch: topic.epoch, ts: now, duplicate: false };
  }

  #refresh(topic: Topic): void {
    if (!topic.resting) return this.#kept.touch(topic);
    topic.resting.remove(topic);
    topic.resting = undefined;
    this.#kept.add(topic);
  }

  #create(name: string): Topic {
    const topic = new Topic(name);
    this.#topics.set(name, topic);
    this.#kept.add(topic);
    return topic;
  }

  #duplicateOf(topic: Topic, event: Append): { seq: number; ts: number } | undefined {
    if (event.messageId === undefined || event.ephemeral) return undefined;
    return this.#duplicates.find(topic, event.messageId);
  }

  #current(name: string, now: number): Topic | undefined {
    const topic = this.#topics.get(name);
    topic?.expire(now - this.#retention.historyTtlMs);
    return topic;
  }
}

function refusalBy(state: { fence: number; sealed: boolean }, event: Append): Failure | undefined {
  if (state.sealed) return fail('conflict', 'the topic is sealed');
  if (event.fence !== undefined && event.fence < state.fence) return fail('conflict', 'the topic has a higher fence');
  return undefined;
}

function unused(topic: string): TopicHead {
  return { topic, epoch: '', seq: 0, ts: 0, first: 1, before: 0 };
}
