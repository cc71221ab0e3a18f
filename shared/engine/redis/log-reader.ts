import { fail, ok, type Result } from '../../base/errors.ts';
import type { LogEvent, TopicHead } from '../engine.ts';
import type { CommandConnection } from './connections.ts';
import { newEpoch } from './epochs.ts';
import type { Keys } from './keys.ts';
import { headsScript, readScript, renumberScript } from './scripts/log-reads.ts';
import type { TopicStates } from './topic-states.ts';

type Ask = { topic: string; since?: number };
type Heads = { time: number; heads: TopicHead[] };

/** A script holds up everybody else on the server while it runs; this many heads take it well under a millisecond. */
const maxAsks = 256;
/** The index knows a topic's last time no more exactly than this: it is refreshed once a second (append prelude). */
const indexLagMs = 1000;

/** The questions about topics. Nothing here changes a topic but `renumber`. */
export class LogReader {
  readonly #connection: CommandConnection;
  readonly #keys: Keys;
  readonly #states: TopicStates;
  readonly #heads: (args: string[]) => Promise<unknown>;
  readonly #read: (args: string[]) => Promise<unknown>;
  readonly #renumber: (args: string[]) => Promise<unknown>;
  #gathered: { asks: Ask[]; answer: Promise<Result<Heads>> } | undefined;

  constructor(connection: CommandConnection, keys: Keys, states: TopicStates) {
    this.#connection = connection;
    this.#keys = keys;
    this.#states = states;
    this.#heads = connection.define(headsScript);
    this.#read = connection.define(readScript);
    this.#renumber = connection.define(renumberScript);
  }

  /** What is asked in one turn of the loop travels together: a reconnect storm asks for a head per client and topic. */
  async heads(asks: readonly Ask[]): Promise<Result<Heads>> {
    if (!this.#gathered) {
      const gathered: Ask[] = [];
      const answer = new Promise<void>((turn) => setImmediate(turn)).then(() => {
        this.#gathered = undefined;
        return this.#askHeads(gathered);
      });
      this.#gathered = { asks: gathered, answer };
    }
    const { asks: gathered, answer } = this.#gathered;
    const from = gathered.length;
    gathered.push(...asks);
    const all = await answer;
    if (!all.ok) return all;
    return ok({ time: all.value.time, heads: all.value.heads.slice(from, from + asks.length) });
  }

  async read(
    topic: string,
    range: { after?: number; limit: number; reverse?: boolean },
  ): Promise<Result<{ head: TopicHead; events: LogEvent[] }>> {
    const { meta, stream } = this.#states.of(topic);
    const after = range.after === undefined ? '' : String(range.after);
    const answer = await this.#connection.attempt(
      () => this.#read(['2', meta, stream, after, String(range.limit), range.reverse ? '1' : '']) as Promise<string[]>,
    );
    if (!answer.ok) return answer;
    const [head = '', ...flat] = answer.value;
    const [epoch = '-', seq, ts, first] = head.split(' ');
    const found = this.#head(topic, epoch, seq, ts, first, '0');
    const events: LogEvent[] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const [eventSeq, eventTs] = (flat[i] ?? '').split(' ');
      events.push({ topic, seq: Number(eventSeq), epoch: found.epoch, ts: Number(eventTs), body: flat[i + 1] ?? '' });
    }
    return ok({ head: found, events });
  }

  async active(since: number): Promise<Result<string[]>> {
    const lowest = since > 0 ? String(since - indexLagMs) : '-inf';
    const answer = await this.#connection.attempt(async (redis) => {
      const pipeline = redis.pipeline();
      for (let i = 0; i < this.#keys.partitions; i++) pipeline.zrangebyscore(this.#keys.index(i), lowest, '+inf');
      return (await pipeline.exec()) ?? [];
    });
    if (!answer.ok) return answer;
    const topics: string[] = [];
    for (const [error, members] of answer.value) {
      if (error) return fail('unavailable');
      for (const topic of members as string[]) topics.push(topic);
    }
    return ok(topics);
  }

  async renumber(topic: string, epoch: string): Promise<Result<void>> {
    const answer = await this.#connection.attempt(() =>
      this.#renumber(['1', this.#states.of(topic).meta, epoch, newEpoch()]),
    );
    return answer.ok ? ok(undefined) : answer;
  }

  async #askHeads(asks: readonly Ask[]): Promise<Result<Heads>> {
    const calls: Promise<Result<string>>[] = [];
    for (let i = 0; i < asks.length || i === 0; i += maxAsks) calls.push(this.#callHeads(asks.slice(i, i + maxAsks)));
    const heads: TopicHead[] = [];
    let time = Infinity;
    for (const answer of await Promise.all(calls)) {
      if (!answer.ok) return answer;
      const parts = answer.value.split(' ');
      // The earliest of the times: as a way back it misses nothing.
      time = Math.min(time, Number(parts[0]));
      for (let i = 1; i < parts.length; i += 5) {
        const topic = asks[heads.length]?.topic ?? '';
        heads.push(this.#head(topic, parts[i] ?? '-', parts[i + 1], parts[i + 2], parts[i + 3], parts[i + 4]));
      }
    }
    return ok({ time, heads });
  }

  #callHeads(asks: readonly Ask[]): Promise<Result<string>> {
    const args = [String(2 * asks.length)];
    for (const { topic } of asks) {
      const { meta, stream } = this.#states.of(topic);
      args.push(meta, stream);
    }
    for (const { since } of asks) args.push(since === undefined ? '' : String(since));
    return this.#connection.attempt(() => this.#heads(args) as Promise<string>);
  }

  #head(topic: string, epoch: string, seq = '0', ts = '0', first = '1', before = '0'): TopicHead {
    const head = {
      topic,
      epoch: epoch === '-' ? '' : epoch,
      seq: Number(seq),
      ts: Number(ts),
      first: Number(first),
      before: Number(before),
    };
    const state = this.#states.of(topic);
    // A head never replaces what is known of another epoch: the two may have overtaken each other on the way.
    if (head.epoch !== '' && (state.epoch === '' || state.epoch === head.epoch)) {
      this.#states.saw(state, head.epoch, head.seq);
    }
    return head;
  }
}
