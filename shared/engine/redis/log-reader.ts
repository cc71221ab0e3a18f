import { ok, type Result } from '../../base/errors.ts';
import type { LogEvent, TopicHead } from '../engine.ts';
import { newEpoch } from './epochs.ts';
import type { Keys } from './keys.ts';
import { headsScript, readScript, renumberScript } from './scripts/log-reads.ts';
import { callScript, type RedisScript } from './scripts/script.ts';
import type { Store } from './store.ts';
import type { TopicStates } from './topic-states.ts';

type Ask = { topic: string; since?: number };
type Heads = { time: number; heads: TopicHead[] };

/** A script holds up everybody else on the server while it runs; this many heads take it well under a millisecond. */
const maxAsks = 256;
/** The index knows a topic's last time no more exactly than this: it is refreshed once a second (append prelude). */
const indexLagMs = 1000;

/** The questions about topics. Nothing here changes a topic but `renumber`. */
export class LogReader {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #states: TopicStates;
  #gathered: { asks: Ask[]; answer: Promise<Result<Heads>> } | undefined;

  constructor(store: Store, keys: Keys, states: TopicStates) {
    this.#store = store;
    this.#keys = keys;
    this.#states = states;
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
    const { partition, meta, stream } = this.#states.of(topic);
    const after = range.after === undefined ? '' : String(range.after);
    const args = ['2', meta, stream, after, String(range.limit), range.reverse ? '1' : ''];
    const answer = await this.#ask<string[]>(partition, readScript, args);
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
    const lowest = Math.max(0, since - indexLagMs);
    const answer = await this.#store.everywhere(async (redis, partitions) => {
      const pipeline = redis.pipeline();
      for (const partition of partitions) {
        const index = this.#keys.index(partition);
        pipeline.zrangebyscore(index, lowest, '+inf');
        // Those with a retained event: see `write` in the append prelude.
        pipeline.zrangebyscore(index, '-inf', -lowest);
      }
      const topics: string[] = [];
      for (const [error, members] of (await pipeline.exec()) ?? []) {
        if (error) throw error;
        for (const topic of members as string[]) topics.push(topic);
      }
      return topics;
    });
    return answer.ok ? ok(answer.value.flat()) : answer;
  }

  async renumber(topic: string, epoch: string): Promise<Result<void>> {
    const { partition, meta } = this.#states.of(topic);
    const answer = await this.#ask(partition, renumberScript, ['1', meta, epoch, newEpoch()]);
    return answer.ok ? ok(undefined) : answer;
  }

  async #askHeads(asks: readonly Ask[]): Promise<Result<Heads>> {
    const heads: TopicHead[] = [];
    // The earliest of the times: as a way back it misses nothing.
    let time = Infinity;
    const part = async (places: readonly number[], partition: number): Promise<Result<void>> => {
      const answer = await this.#ask<string>(partition, headsScript, this.#headsArgs(places, asks));
      if (!answer.ok) return answer;
      const parts = answer.value.split(' ');
      time = Math.min(time, Number(parts[0]));
      let i = 1;
      for (const place of places) {
        const topic = asks[place]?.topic ?? '';
        heads[place] = this.#head(topic, parts[i] ?? '-', parts[i + 1], parts[i + 2], parts[i + 3], parts[i + 4]);
        i += 5;
      }
      return ok(undefined);
    };
    const calls: Promise<Result<void>>[] = [];
    for (const [partition, places] of this.#store.sharded
      ? this.#byPartition(asks)
      : [[0, [...asks.keys()]] as const]) {
      for (let i = 0; i < places.length || i === 0; i += maxAsks)
        calls.push(part(places.slice(i, i + maxAsks), partition));
    }
    const clocks = this.#store.sharded ? await this.#earliestClock() : undefined;
    for (const answer of await Promise.all(calls)) if (!answer.ok) return answer;
    if (clocks?.ok) time = Math.min(time, clocks.value);
    // Without a topic there is nothing but the time, and then it has to be right for all of them.
    else if (clocks && asks.length === 0) return clocks;
    return ok({ time, heads });
  }

  /** Clocks of different servers differ, and a time may be the way back to topics of all of them. */
  async #earliestClock(): Promise<Result<number>> {
    const times = await this.#store.everywhere((redis) => redis.time());
    if (!times.ok) return times;
    return ok(Math.min(...times.value.map(([s, us]) => Number(s) * 1000 + Math.floor(Number(us) / 1000))));
  }

  /** The places of the asks, for each partition that they are about. */
  #byPartition(asks: readonly Ask[]): Map<number, number[]> {
    const found = new Map<number, number[]>();
    for (const [place, { topic }] of asks.entries()) {
      const { partition } = this.#states.of(topic);
      const places = found.get(partition);
      if (places) places.push(place);
      else found.set(partition, [place]);
    }
    return found;
  }

  #headsArgs(places: readonly number[], asks: readonly Ask[]): string[] {
    const args = [String(2 * places.length)];
    for (const place of places) {
      const { meta, stream } = this.#states.of(asks[place]?.topic ?? '');
      args.push(meta, stream);
    }
    for (const place of places) args.push(String(asks[place]?.since ?? ''));
    return args;
  }

  #ask<T>(partition: number, script: RedisScript, args: string[]): Promise<Result<T>> {
    return this.#store.run(partition, (redis, asking) => callScript(redis, script, args, asking) as Promise<T>);
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
