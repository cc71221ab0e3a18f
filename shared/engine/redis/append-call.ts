import { must } from '../../base/assert.ts';
import { fail, ok, type Result } from '../../base/errors.ts';
import { newEpoch } from './epochs.ts';
import type { Append, Appended } from '../engine.ts';
import type { Keys } from './keys.ts';
import type { TopicState, TopicStates } from './topic-states.ts';

/** Settings that go with every call of a script that appends: the first four of its ARGV. */
export interface AppendSettings {
  historySize: number;
  historyTtlMs: number;
  metaTtlMs: number;
}

export interface WaitingAppend {
  readonly event: Append;
  readonly state: TopicState;
  readonly resolve: (result: Result<Appended>) => void;
}

/** The appends of one call to one topic, in the order in which they were made. */
interface Group {
  readonly state: TopicState;
  readonly knownEpoch: string;
  readonly items: WaitingAppend[];
  careful: boolean;
  /** How many of them carry a messageId. */
  ids: number;
}

/**
 * One call of a script that appends: what goes in, and what its answer means. The format is described in
 * scripts/append-prelude.ts. Grouped by partition, so that a cluster would take one call for each.
 */
export class AppendCall {
  readonly topics: string[] = [];
  readonly #keys: Keys;
  readonly #partitions: (Group[] | undefined)[] = [];
  readonly #touched: number[] = [];

  constructor(keys: Keys, waiting: readonly WaitingAppend[]) {
    this.#keys = keys;
    const groups = new Map<string, Group>();
    for (const item of waiting) {
      const { event, state } = item;
      let group = groups.get(event.topic);
      if (!group) {
        group = { state, knownEpoch: state.epoch, items: [], careful: false, ids: 0 };
        groups.set(event.topic, group);
        this.topics.push(state.topic);
        this.#place(group);
      }
      group.items.push(item);
      if (remembered(event)) group.ids++;
      if (!isPlain(event)) group.careful = true;
    }
  }

  encode(intoKeys: string[], intoArgs: string[]): void {
    const keys = this.#keys;
    // In a cluster a call is of one partition, so this is the channel of them all.
    const whole = keys.wholeChannel(this.#touched[0] ?? 0);
    intoArgs.push(String(this.topics.length), String(this.#touched.length), whole);
    for (const partition of this.#touched) {
      for (const { state } of this.#partitions[partition] ?? []) intoKeys.push(state.meta);
    }
    for (const partition of this.#touched) {
      const groups = this.#partitions[partition] ?? [];
      intoKeys.push(keys.index(partition));
      intoArgs.push(keys.topicChannels(partition), String(groups.length));
      for (const { state, items, knownEpoch, careful, ids } of groups) {
        intoKeys.push(state.stream);
        if (ids > 0) {
          intoKeys.push(keys.remembered(partition, state.topic, 0), keys.remembered(partition, state.topic, 1));
        }
        intoArgs.push(state.topic, String(items.length), knownEpoch, String(state.seq), careful ? 'c' : 'p');
        if (careful) intoArgs.push(String(ids), ...items.map(flagsOf));
        for (const { event } of items) intoArgs.push(event.body);
        if (careful) encodeExtras(items, intoArgs);
      }
    }
  }

  /** Resolves what waits, by the script's answer. */
  settle(answer: string, states: TopicStates): void {
    const tokens = answer.split(' ');
    const time = Number(tokens[0]);
    let next = 1;
    for (const partition of this.#touched) {
      for (const group of this.#partitions[partition] ?? []) {
        let result = refused;
        group.items.forEach((item, i) => {
          if (group.careful || i === 0) result = readToken(must(tokens[next++]), group.knownEpoch, time);
          else result = following(result);
          if (result.ok && result.value.seq > 0 && !result.value.duplicate) {
            states.saw(group.state, result.value.epoch, result.value.seq);
          }
          item.resolve(result);
        });
      }
    }
  }

  fail(result: Result<never>): void {
    for (const partition of this.#touched) {
      for (const group of this.#partitions[partition] ?? []) {
        for (const item of group.items) item.resolve(result);
      }
    }
  }

  #place(group: Group): void {
    const { partition } = group.state;
    const groups = this.#partitions[partition];
    if (groups) {
      groups.push(group);
    } else {
      this.#partitions[partition] = [group];
      this.#touched.push(partition);
    }
  }
}

/** The ARGV that every script which appends begins with. */
export function appendHeader(settings: AppendSettings): string[] {
  return [newEpoch(), String(settings.historyTtlMs), String(settings.metaTtlMs), String(settings.historySize)];
}

function isPlain({ messageId, ephemeral, keep, fence, seal, retain }: Append): boolean {
  return messageId === undefined && !ephemeral && keep === undefined && fence === undefined && !seal && !retain;
}

function remembered(event: Append): boolean {
  return event.messageId !== undefined && !event.ephemeral;
}

function flagsOf({ event }: WaitingAppend): string {
  return (
    (remembered(event) ? 'm' : '') +
    (event.fence === undefined ? '' : 'f') +
    (event.keep === undefined ? '' : 'k') +
    (event.ephemeral ? 'e' : '') +
    (event.seal ? 's' : '') +
    (event.retain ? 'r' : '')
  );
}

function encodeExtras(items: readonly WaitingAppend[], into: string[]): void {
  for (const { event } of items) if (remembered(event)) into.push(event.messageId ?? '');
  for (const { event } of items) {
    if (event.fence !== undefined) into.push(String(event.fence));
    if (event.keep !== undefined) into.push(String(event.keep));
  }
}

const refused: Result<Appended> = fail('conflict', 'the topic is sealed, or has seen a higher fence');

function readToken(token: string, knownEpoch: string, time: number): Result<Appended> {
  if (token === '!') return refused;
  const duplicate = token.startsWith('=');
  const text = duplicate ? token.slice(1) : token;
  const colon = text.indexOf(':');
  if (colon < 0) return ok({ seq: Number(text), epoch: knownEpoch, ts: time, duplicate });
  const [seq, ts, epoch = ''] = text.split(':');
  return ok({ seq: Number(seq), epoch, ts: Number(ts), duplicate });
}

function following(before: Result<Appended>): Result<Appended> {
  if (!before.ok) return before;
  const { seq, epoch, ts } = before.value;
  return ok({ seq: seq + 1, epoch, ts, duplicate: false });
}
