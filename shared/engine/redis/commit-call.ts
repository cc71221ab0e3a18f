import { fail, ok, type Result } from '../../base/errors.ts';
import type { Append, Appended, Change } from '../engine.ts';
import { assertSound } from '../sound-change.ts';
import { AppendCall, appendHeader, type AppendSettings, type WaitingAppend } from './append-call.ts';
import type { Keys } from './keys.ts';
import type { TopicStates } from './topic-states.ts';

/** One commit in a call of several: what goes in, and what its line of the answer means. See scripts/commit.ts. */
export class CommitCall {
  readonly keys: string[] = [];
  readonly args: string[] = [];
  /** About what it weighs: values and bodies. */
  bytes = 0;
  readonly #appends: AppendCall;
  readonly #appended: Result<Appended>[] = [];

  constructor(keys: Keys, states: TopicStates, partition: number, home: string, change: Change) {
    assertSound(home, change);
    const { expect = [], put = [], del = [], rank = [], keepLists = [], append = [] } = change;
    const record = (key: string): number => this.keys.push(keys.record(partition, home, key));
    const ranked = (list: string): number => this.keys.push(keys.rankedList(partition, home, list));
    for (const { length } of [expect, put, del, rank, keepLists]) this.args.push(String(length));
    for (const { key, rev } of expect) {
      record(key);
      this.args.push(String(rev));
    }
    for (const { key, value, ttlMs } of put) {
      record(key);
      this.args.push(value, ttlMs === undefined ? '' : String(ttlMs));
      this.bytes += value.length;
    }
    for (const key of del) record(key);
    for (const { list, key, score } of rank) {
      ranked(list);
      this.args.push(key, score === null ? '' : String(score));
    }
    for (const { list, ttlMs } of keepLists) {
      ranked(list);
      this.args.push(String(ttlMs));
    }
    this.#appends = new AppendCall(
      keys,
      append.map((event, i) => this.#waiting(states, event, i)),
    );
    this.#appends.encode(this.keys, this.args);
  }

  get topics(): readonly string[] {
    return this.#appends.topics;
  }

  settle(answer: string, states: TopicStates): Result<{ appended: Appended[] }> {
    if (answer === '!') return fail('conflict', 'a record is at another rev');
    if (answer === '!!') return fail('conflict', 'a topic is sealed, or has seen a higher fence');
    this.#appends.settle(answer, states);
    const appended: Appended[] = [];
    for (const result of this.#appended) {
      if (!result.ok) return result;
      appended.push(result.value);
    }
    return ok({ appended });
  }

  #waiting(states: TopicStates, event: Append, i: number): WaitingAppend {
    this.bytes += event.body.length;
    return {
      event,
      state: states.of(event.topic),
      resolve: (result) => (this.#appended[i] = result),
    };
  }
}

/** Several commits as the arguments of one call: number of keys, keys, ARGV. */
export function callOf(settings: AppendSettings, commits: readonly CommitCall[]): string[] {
  const keys = [''];
  const args = appendHeader(settings);
  args.push(String(commits.length));
  for (const commit of commits) {
    args.push(String(commit.keys.length), String(commit.args.length));
    for (const key of commit.keys) keys.push(key);
    for (const arg of commit.args) args.push(arg);
  }
  keys[0] = String(keys.length - 1);
  return keys.concat(args);
}
