import { fail, ok, type Result } from '../../base/errors.ts';
import { newEpoch } from './epochs.ts';
import type { Append, Appended } from '../engine.ts';
import type { Keys } from './keys.ts';
import type { TopicState, TopicStates } from './topic-states.ts';

/** Settings that go with every call of a script that appends: the first three of its ARGV. */
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
  remembers: boolean;
  keep: number;
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

  /** With `careful` each event is answered for itself: a commit looks at all of them before it writes. */
  constructor(keys: Keys, waiting: readonly WaitingAppend[], historySize: number, careful = false) {
    this.#keys = keys;
    const groups = new Map<TopicState, Group>();
    for (const item of waiting) {
      const { event, state } = item;
      let group = groups.get(state);
      if (!group) {
        group = { state, knownEpoch: state.epoch, items: [], careful, remembers: false, keep: historySize };
        groups.set(state, group);
        this.topics.push(state.topic);
        this.#place(group);
      }
      group.items.push(item);
      if (event.keep !== undefined) group.keep = event.keep;
      if (event.messageId !== undefined) group.careful = group.remembers = true;
      else if (event.ephemeral || event.seal || event.fence !== undefined) group.careful = true;
    }
  }

  encode(intoKeys: string[], intoArgs: string[]): void {
    const keys = this.#keys;
    intoArgs.push(String(this.#touched.length));
    for (const partition of this.#touched) {
      const groups = this.#partitions[partition] ?? [];
      intoKeys.push(keys.index(partition));
      intoArgs.push(keys.topicChannels(partition), keys.partitionChannel(partition), String(groups.length));
      for (const { state, items, knownEpoch, keep, careful, remembers } of groups) {
        intoKeys.push(state.meta, state.stream);
        if (remembers) {
          intoKeys.push(keys.remembered(partition, state.topic, 0), keys.remembered(partition, state.topic, 1));
        }
        const mode = remembers ? 'd' : careful ? 'o' : 'p';
        intoArgs.push(state.topic, String(items.length), knownEpoch, String(state.seq), String(keep), mode);
        for (const { event } of items) {
          if (careful) encodeCarefully(event, intoArgs);
          else intoArgs.push(event.body);
        }
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
        const first = readToken(tokens[next] ?? '!', group.knownEpoch, time);
        for (let i = 0; i < group.items.length; i++) {
          const item = group.items[i];
          const result = group.careful ? readToken(tokens[next++] ?? '!', group.knownEpoch, time) : shifted(first, i);
          if (result.ok && result.value.seq > 0 && !result.value.duplicate) {
            states.saw(group.state, result.value.epoch, result.value.seq);
          }
          item?.resolve(result);
        }
        if (!group.careful) next++;
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
  return [newEpoch(), String(settings.historyTtlMs), String(settings.metaTtlMs)];
}

function encodeCarefully(event: Append, into: string[]): void {
  const remembered = event.messageId !== undefined && !event.ephemeral;
  const flags =
    (remembered ? 'm' : '') +
    (event.fence === undefined ? '' : 'f') +
    (event.ephemeral ? 'e' : '') +
    (event.seal ? 's' : '');
  into.push(flags, event.body);
  if (remembered) into.push(event.messageId ?? '');
  if (event.fence !== undefined) into.push(String(event.fence));
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

function shifted(first: Result<Appended>, by: number): Result<Appended> {
  if (by === 0 || !first.ok) return first;
  const { seq, epoch, ts } = first.value;
  return ok({ seq: seq + by, epoch, ts, duplicate: false });
}
