import { assert } from '../../base/assert.ts';
import { fail, ok, type Result } from '../../base/errors.ts';
import { homeOf } from '../../topics/home.ts';
import type { Appended, Change, Records, Stored } from '../engine.ts';
import type { Appender } from './append-batcher.ts';
import { AppendCall, appendHeader, type AppendSettings, type WaitingAppend } from './append-call.ts';
import type { Keys } from './keys.ts';
import type { LiveFeed } from './live-feed.ts';
import { pageScript, recordsScript } from './scripts/record-reads.ts';
import { callScript, type RedisScript } from './scripts/script.ts';
import type { Store } from './store.ts';
import type { TopicStates } from './topic-states.ts';
import type { Writer } from './writer.ts';

/** Records, their ranked lists, and the commit that changes them together with topics. */
export class RedisRecords implements Records {
  readonly #keys: Keys;
  readonly #states: TopicStates;
  readonly #feed: LiveFeed;
  readonly #settings: AppendSettings;
  readonly #appender: Appender;
  readonly #writer: Writer;
  readonly #store: Store;

  constructor(
    keys: Keys,
    states: TopicStates,
    feed: LiveFeed,
    settings: AppendSettings,
    appender: Appender,
    writer: Writer,
    store: Store,
  ) {
    this.#keys = keys;
    this.#states = states;
    this.#feed = feed;
    this.#settings = settings;
    this.#appender = appender;
    this.#writer = writer;
    this.#store = store;
  }

  async read(home: string, keys: readonly string[]): Promise<Result<(Stored | undefined)[]>> {
    const partition = this.#keys.partitionOf(home);
    const names = keys.map((key) => this.#keys.record(partition, home, key));
    const answer = await this.#ask<(string | null)[]>(partition, recordsScript, [String(names.length), ...names]);
    if (!answer.ok) return answer;
    return ok(
      keys.map((_, i) => {
        const value = answer.value[2 * i];
        return value === null || value === undefined ? undefined : { value, rev: Number(answer.value[2 * i + 1]) };
      }),
    );
  }

  async page(
    home: string,
    list: string,
    range: { cursor?: string; limit: number; reverse?: boolean },
  ): Promise<Result<{ keys: string[]; cursor?: string }>> {
    const partition = this.#keys.partitionOf(home);
    const args = ['1', this.#keys.rankedList(partition, home, list), String(range.limit + 1), range.reverse ? '1' : ''];
    if (range.cursor !== undefined) {
      const place = /^(-?[0-9][0-9.e+-]*):(.*)$/s.exec(range.cursor);
      if (!place || Number.isNaN(Number(place[1]))) return fail('bad_request', 'this cursor is not from a page before');
      args.push(place[1] ?? '', place[2] ?? '');
    }
    const answer = await this.#ask<string[]>(partition, pageScript, args);
    if (!answer.ok) return answer;
    const keys: string[] = [];
    for (let i = 0; i < answer.value.length && keys.length < range.limit; i += 2) keys.push(answer.value[i] ?? '');
    const more = answer.value.length > 2 * range.limit && keys.length > 0;
    if (!more) return ok({ keys });
    const last = 2 * (keys.length - 1);
    return ok({ keys, cursor: `${answer.value[last + 1]}:${answer.value[last]}` });
  }

  async commit(home: string, change: Change): Promise<Result<{ appended: Appended[] }>> {
    const partition = this.#keys.partitionOf(home);
    const record = (key: string): string => this.#keys.record(partition, home, key);
    const { expect = [], put = [], del = [], rank = [], keepLists = [], append = [] } = change;
    const keys = [''];
    const args = appendHeader(this.#settings);
    args.push(...[expect, put, del, rank, keepLists].map(({ length }) => String(length)));
    for (const { key, rev } of expect) {
      keys.push(record(key));
      args.push(String(rev));
    }
    for (const { key, value, ttlMs } of put) {
      keys.push(record(key));
      args.push(value, ttlMs === undefined ? '' : String(ttlMs));
    }
    for (const key of del) keys.push(record(key));
    for (const { list, key, score } of rank) {
      keys.push(this.#keys.rankedList(partition, home, list));
      args.push(key, score === null ? '' : String(score));
    }
    for (const { list, ttlMs } of keepLists) {
      keys.push(this.#keys.rankedList(partition, home, list));
      args.push(String(ttlMs));
    }
    const results: Promise<Result<Appended>>[] = [];
    const waiting = append.map((event): WaitingAppend => {
      assert(homeOf(event.topic) === home, `the topic ${event.topic} is not of the home ${home}`);
      const { promise, resolve } = deferred<Result<Appended>>();
      results.push(promise);
      return { event, state: this.#states.of(event.topic), resolve };
    });
    const call = new AppendCall(this.#keys, waiting);
    call.encode(keys, args);
    keys[0] = String(keys.length - 1);
    return this.#send(partition, call, keys.concat(args), results);
  }

  #ask<T>(partition: number, script: RedisScript, args: string[]): Promise<Result<T>> {
    return this.#store.run(partition, (redis, asking) => callScript(redis, script, args, asking) as Promise<T>);
  }

  async #send(
    partition: number,
    call: AppendCall,
    args: string[],
    results: Promise<Result<Appended>>[],
  ): Promise<Result<{ appended: Appended[] }>> {
    const send = async (): Promise<Result<string>> => {
      const serial = this.#feed.sent(call.topics);
      const answer = await this.#writer.commit(partition, args);
      this.#feed.answered(serial, call.topics);
      return answer;
    };
    const answer = await (results.length === 0
      ? this.#writer.commit(partition, args)
      : this.#appender.inTurn(partition, send));
    if (!answer.ok) return answer;
    if (answer.value === '!') return fail('conflict', 'a record is at another rev');
    if (answer.value === '!!') return fail('conflict', 'a topic is sealed, or has seen a higher fence');
    call.settle(answer.value, this.#states);
    const appended: Appended[] = [];
    for (const result of await Promise.all(results)) {
      if (!result.ok) return result;
      appended.push(result.value);
    }
    return ok({ appended });
  }
}

/** `Promise.withResolvers` is not in Node 20. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
