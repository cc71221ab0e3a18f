import { fail, ok, type Result } from '../../base/errors.ts';
import type { Appended, Change, Records, Stored } from '../engine.ts';
import type { Appender } from './append-batcher.ts';
import { CommitCall } from './commit-call.ts';
import type { Keys } from './keys.ts';
import { RecordReads } from './record-reads.ts';
import { pageScript } from './scripts/record-reads.ts';
import { callScript, type RedisScript } from './scripts/script.ts';
import type { Store } from './store.ts';
import type { TopicStates } from './topic-states.ts';

/** Records, their ranked lists, and the commit that changes them together with topics. */
export class RedisRecords implements Records {
  readonly #keys: Keys;
  readonly #states: TopicStates;
  readonly #appender: Appender;
  readonly #store: Store;
  readonly #reads: RecordReads;

  constructor(keys: Keys, states: TopicStates, appender: Appender, store: Store) {
    this.#keys = keys;
    this.#states = states;
    this.#appender = appender;
    this.#store = store;
    this.#reads = new RecordReads(store);
  }

  read(home: string, keys: readonly string[]): Promise<Result<(Stored | undefined)[]>> {
    const partition = this.#keys.partitionOf(home);
    return this.#reads.read(
      partition,
      keys.map((key) => this.#keys.record(partition, home, key)),
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
    const call = new CommitCall(this.#keys, this.#states, partition, home, change);
    const answer = await this.#appender.commit(partition, call);
    return answer.ok ? call.settle(answer.value, this.#states) : answer;
  }

  #ask<T>(partition: number, script: RedisScript, args: string[]): Promise<Result<T>> {
    return this.#store.run(partition, (redis, asking) => callScript(redis, script, args, asking) as Promise<T>);
  }
}
