import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { endsRun } from '../../../services/gateway/hub/endings.ts';
import type { LiveBatch, LogEvent, LogListener, TopicHead, TopicLog } from '../../../shared/engine/engine.ts';

/** Made, and on its way. */
type Answer = (lost?: 'lost') => void;

interface Kept {
  epoch: string;
  seq: number;
  ts: number;
  events: LogEvent[];
}

/**
 * A log driven by hand: questions are answered when the test says so (with the state of the moment in which they were
 * asked or answered, as a store may do), live batches arrive, are lost or wait, numbers can be lost and given out again.
 */
export class FakeLog implements TopicLog {
  readonly topics = new Map<string, Kept>();
  readonly liveQueue: LiveBatch[] = [];
  keep = Number.POSITIVE_INFINITY;
  away = false;
  clock = 1000;
  renumbered = 0;
  /** Bodies of events whose numbers had been given out before, and were lost. */
  readonly again = new Set<string>();
  readonly #given = new Map<string, number>();
  /** Runs that are known of, though their topics are gone. */
  readonly open = new Set<string>();
  /** Lost at some time, and a run with its topic. */
  readonly lost = new Set<string>();
  #listener: LogListener | undefined;
  /** Not looked at yet; and answered, with the answer on its way. */
  #questions: (() => Answer)[] = [];
  #answers: Answer[] = [];
  #watched = new Set<string>();
  #all = false;
  #epochs = 0;
  #deaf = false;

  listen(listener: LogListener): void {
    this.#listener = listener;
  }

  // --- what the test does ---

  publish(topic: string, bodies: string[], ephemeral = false): void {
    this.clock += 1;
    let kept = this.topics.get(topic);
    if (ephemeral) {
      this.#offer({ topic, epoch: '', seq: 0, ts: this.clock, previousTs: 0, bodies });
      return;
    }
    if (!kept) this.topics.set(topic, (kept = { epoch: this.#newEpoch(), seq: 0, ts: 0, events: [] }));
    this.open.delete(topic);
    const batch: LiveBatch = {
      topic,
      epoch: kept.epoch,
      seq: kept.seq + 1,
      ts: this.clock,
      previousTs: kept.ts,
      bodies,
    };
    for (const body of bodies) {
      kept.seq += 1;
      if (kept.seq <= (this.#given.get(topic) ?? 0)) this.again.add(body);
      kept.events.push({ topic, epoch: kept.epoch, seq: kept.seq, ts: this.clock, body });
    }
    kept.ts = this.clock;
    if (kept.events.length > this.keep) kept.events.splice(0, kept.events.length - this.keep);
    this.#offer(batch);
  }

  /** The newest `count` events vanish with their numbers, as after a failover, which also cuts the node off for a while. */
  rewind(topic: string, count: number): void {
    this.#goDeaf();
    const kept = this.topics.get(topic);
    if (!kept) return;
    kept.events.splice(Math.max(0, kept.events.length - count));
    this.#given.set(topic, Math.max(this.#given.get(topic) ?? 0, kept.seq));
    kept.seq = Math.max(0, kept.seq - count);
    kept.ts = kept.events.at(-1)?.ts ?? 0;
    this.clock += 5;
  }

  lose(topic: string): void {
    this.#goDeaf();
    this.topics.delete(topic);
    this.open.delete(topic);
    this.lost.add(topic);
    this.clock += 5;
  }

  /** Nobody has published to it for so long that its numbering is forgotten; whose topic it is goes on. */
  runOut(topic: string): void {
    if (!this.topics.has(topic) || this.hasEnded(topic)) return;
    this.topics.delete(topic);
    this.open.add(topic);
    this.clock += 5;
  }

  /** The engine is connected again, and says so. */
  hear(): void {
    if (!this.#deaf) return;
    this.#deaf = false;
    this.#listener?.disturbed();
  }

  deliver(count: number): void {
    const batches = this.liveQueue.splice(0, count);
    if (batches.length > 0) this.#listener?.live(batches);
  }

  /** Live batches that are under way are lost; `said`: the engine noticed. */
  loseLive(said: boolean): void {
    this.liveQueue.length = 0;
    if (said) this.#listener?.disturbed();
  }

  /** What is asked finds the present state. The answers come later, and by another way than live batches do. */
  work(count = 1): void {
    for (const question of this.#questions.splice(0, count)) this.#answers.push(question());
  }

  answer(count = 1): void {
    this.work(count - this.#answers.length);
    for (const arrive of this.#answers.splice(0, count)) arrive();
  }

  get asked(): number {
    return this.#questions.length + this.#answers.length;
  }

  /** The topic is sealed: of an ended run. */
  hasEnded(topic: string): boolean {
    const last = this.topics.get(topic)?.events.at(-1);
    return last !== undefined && endsRun(last.body);
  }

  /** The record of a run that has a topic is there as well. */
  goesOn(topic: string): Promise<Result<boolean>> {
    return this.#ask(() => this.open.has(topic) || (this.topics.has(topic) && !this.hasEnded(topic)));
  }

  // --- the log ---

  append(): never {
    throw new Error('the hub appends nothing');
  }

  heads(asks: readonly { topic: string; since?: number }[]): Promise<Result<{ time: number; heads: TopicHead[] }>> {
    return this.#ask(() => ({ time: this.clock, heads: asks.map(({ topic, since }) => this.#head(topic, since)) }));
  }

  read(
    topic: string,
    range: { after?: number; limit: number; reverse?: boolean },
  ): Promise<Result<{ head: TopicHead; events: LogEvent[] }>> {
    return this.#ask(() => {
      const kept = this.topics.get(topic);
      const after = (kept?.events ?? []).filter((event) => event.seq > (range.after ?? 0));
      const events = (range.reverse ? after.toReversed() : after).slice(0, range.limit);
      return { head: this.#head(topic), events: events.map((event) => ({ ...event, epoch: kept!.epoch })) };
    });
  }

  active(since: number): Promise<Result<string[]>> {
    return this.#ask(() =>
      [...this.topics].filter(([, kept]) => kept.events.length > 0 && kept.ts >= since).map(([topic]) => topic),
    );
  }

  renumber(topic: string, epoch: string): Promise<Result<void>> {
    return this.#ask(() => {
      const kept = this.topics.get(topic);
      if (kept?.epoch !== epoch) return;
      kept.epoch = this.#newEpoch();
      this.renumbered += 1;
    });
  }

  async watch(topics: readonly string[]): Promise<Result<void>> {
    for (const topic of topics) this.#watched.add(topic);
    return ok(undefined);
  }

  unwatch(topics: readonly string[]): void {
    for (const topic of topics) this.#watched.delete(topic);
  }

  async watchAll(on: boolean): Promise<Result<void>> {
    this.#all = on;
    return ok(undefined);
  }

  #offer(batch: LiveBatch): void {
    if (this.#deaf) return;
    if (this.#all || this.#watched.has(batch.topic)) this.liveQueue.push(batch);
  }

  /** Whatever was on its way is lost. */
  #goDeaf(): void {
    this.#deaf = true;
    this.liveQueue.length = 0;
    for (const arrive of this.#answers.splice(0)) arrive('lost');
  }

  #newEpoch(): string {
    this.#epochs += 1;
    return `e${this.#epochs}`;
  }

  #head(topic: string, since?: number): TopicHead {
    const kept = this.topics.get(topic);
    if (!kept) return { topic, epoch: '', seq: 0, ts: 0, first: 1, before: 0 };
    const first = kept.events[0]?.seq ?? kept.seq + 1;
    const next = since === undefined ? undefined : kept.events.find((event) => event.ts >= since);
    return { topic, epoch: kept.epoch, seq: kept.seq, ts: kept.ts, first, before: next ? next.seq - 1 : kept.seq };
  }

  /** A store works the questions off in order. */
  #ask<T>(answer: () => T): Promise<Result<T>> {
    return new Promise((resolve) => {
      this.#questions.push(() => {
        const made = this.away || this.#deaf ? fail('unavailable') : ok(answer());
        return (lost) => resolve(lost ? fail('unavailable') : made);
      });
    });
  }
}
