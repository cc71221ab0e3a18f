import type { Result } from '../../../shared/base/errors.ts';
import type { LiveBatch, TopicHead } from '../../../shared/engine/engine.ts';
import { Event, Renumbered } from './entry.ts';
import type { HubStats } from './ports.ts';
import { begin, repair } from './repair.ts';
import type { RepairPorts } from './repair.ts';
import { Tail } from './tail.ts';
import { goneOf } from './vanishing.ts';
import type { VanishingPorts } from './vanishing.ts';

/** Heads asked about in one call. */
const chunk = 512;
/** Far more than a live event takes, and well within the 2 s in which a lost one has to be found. */
const patienceMs = 200;

/** What was known of a topic when the store was asked about it. */
interface Then {
  readonly epoch: string;
  readonly seq: number;
  readonly ts: number;
  readonly attached: boolean;
}

export interface TailsPorts extends RepairPorts, Pick<VanishingPorts, 'goesOn'> {
  stats: Pick<HubStats, 'repairs'>;
  /** Does anybody here want the topic? */
  wanted(topic: string): boolean;
  /** Is it that of a run, which somebody here follows by its name? */
  followsRun(topic: string): boolean;
  /** Is somebody attached to it, as to that of a run that there is? */
  attached(topic: string): boolean;
}

/**
 * Makes one unbroken sequence per topic out of live events, which may be lost, and the log, which is the truth.
 * What it emits is each event once, in order; a hole that the log cannot fill as a Gap; a change of numbering as
 * Renumbered. It repairs once for all connections of the node.
 */
export class Tails {
  readonly #ports: TailsPorts;
  readonly #tails = new Map<string, Tail>();
  #distrusts = 0;

  constructor(ports: TailsPorts) {
    this.#ports = ports;
  }

  get(topic: string): Tail | undefined {
    return this.#tails.get(topic);
  }

  get size(): number {
    return this.#tails.size;
  }

  all(): IterableIterator<Tail> {
    return this.#tails.values();
  }

  /** The hot path: an event that is the next one of its topic goes straight on. */
  live(batch: LiveBatch): void {
    const tail = this.#tails.get(batch.topic);
    if (batch.seq === 0) {
      if (tail ?? this.#ports.wanted(batch.topic)) this.#emit(batch, tail);
    } else if (!tail?.located) {
      if (tail ?? this.#ports.wanted(batch.topic)) this.#first(batch, tail ?? this.#create(batch.topic));
    } else if (tail.state === 'reading') {
      tail.want(batch.epoch, lastOf(batch));
    } else if (batch.seq === tail.seq + 1 && (batch.epoch === tail.epoch || tail.epoch === '')) {
      this.#accept(tail, batch);
    } else {
      this.#unexpected(tail, batch);
    }
  }

  /**
   * Follows these topics, and resolves when each stands at least at the head that the store has now. A topic that
   * nobody here wanted before starts at that head. False: the store is away.
   */
  async ensure(topics: readonly string[]): Promise<boolean> {
    for (const topic of topics) {
      if (!this.#tails.has(topic)) this.#create(topic);
    }
    if (!(await this.check(topics))) return false;
    for (const topic of topics) await this.#tails.get(topic)?.settled();
    return true;
  }

  /**
   * Follows a topic from its first event on, which is still to come. One that somebody wants already is left alone: its
   * first event locates it, and a pattern is given nothing old should the topic have been used after all.
   */
  begins(topic: string): void {
    if (this.#tails.has(topic) || this.#ports.wanted(topic)) return;
    const tail = this.#create(topic);
    tail.locate('', 0, 0);
    tail.follow();
  }

  /** Reads what a topic that only patterns want has had since they want it. */
  discover(topic: string): void {
    if (this.#tails.has(topic)) return;
    this.#repair(this.#create(topic));
  }

  forget(topic: string): void {
    const tail = this.#tails.get(topic);
    if (!tail) return;
    this.#tails.delete(topic);
    tail.drop();
  }

  /**
   * Asks for the heads of these topics and reads on where one is further, or another, than it is known to be. A
   * `patient` check gives live events that are on their way the time to arrive.
   */
  async check(topics: readonly string[], patient = false): Promise<boolean> {
    for (let start = 0; start < topics.length; start += chunk) {
      if (!(await this.#checkChunk(topics.slice(start, start + chunk), patient))) return false;
    }
    return true;
  }

  /** Of topics of runs, of which the store knew nothing a moment ago: those on which nothing follows. */
  goneOf(topics: readonly string[]): Promise<Result<string[]>> {
    return goneOf(topics, this.#ports);
  }

  /** Live events may have been lost: none is taken until the head, and what stands at the known place, was seen. `check` ends it. */
  distrust(): void {
    this.#distrusts += 1;
    for (const tail of this.#tails.values()) {
      tail.state = 'reading';
      tail.doubt = true;
    }
  }

  #create(topic: string): Tail {
    const tail = new Tail(topic);
    this.#tails.set(topic, tail);
    return tail;
  }

  #accept(tail: Tail, batch: LiveBatch): void {
    tail.epoch = batch.epoch;
    tail.seq = lastOf(batch);
    tail.ts = batch.ts;
    this.#emit(batch, tail);
  }

  #emit(batch: LiveBatch, tail?: Tail): void {
    let { seq } = batch;
    for (const body of batch.bodies) {
      this.#ports.emit(new Event(batch.topic, batch.epoch, seq, batch.ts, body, tail));
      if (seq > 0) seq += 1;
    }
  }

  /** Seen for the first time here: `previousTs` tells whether the patterns that want the topic missed something before it. */
  #first(batch: LiveBatch, tail: Tail): void {
    if (batch.seq === 1 || batch.previousTs < this.#ports.wantedSince(batch.topic)) {
      tail.locate(batch.epoch, batch.seq - 1, 0);
      tail.sent(batch.epoch, batch.seq - 1);
      // A repair that is about to ask where to begin finds it answered, and reads on from there.
      if (!tail.busy) tail.follow();
      this.#accept(tail, batch);
    } else {
      tail.want(batch.epoch, lastOf(batch));
      this.#repair(tail);
    }
  }

  #unexpected(tail: Tail, batch: LiveBatch): void {
    const last = lastOf(batch);
    if (batch.epoch === tail.epoch && batch.seq <= tail.seq) {
      if (last <= tail.readTo && batch.ts <= tail.ts) return;
      // Live before, or younger than what is known: the number was given out a second time, after a loss.
      tail.rewound = true;
    }
    tail.want(batch.epoch, last);
    this.#repair(tail);
  }

  #repair(tail: Tail): void {
    this.#ports.stats.repairs += 1;
    void repair(tail, this.#ports);
  }

  async #checkChunk(topics: readonly string[], patient: boolean): Promise<boolean> {
    const known = topics.map((topic) => {
      const tail = this.#tails.get(topic);
      const attached = this.#ports.attached(topic);
      return { tail, epoch: tail?.epoch ?? '', seq: tail?.seq ?? 0, ts: tail?.ts ?? 0, attached };
    });
    const asks = known.map(({ tail }, i) => {
      const topic = topics[i]!;
      const since = tail && !tail.located ? this.#ports.wantedSince(topic) : Number.POSITIVE_INFINITY;
      return Number.isFinite(since) ? { topic, since } : { topic };
    });
    const distrusts = this.#distrusts;
    const answer = await this.#ports.log.heads(asks);
    if (!answer.ok) return false;
    // An answer from before the disturbance proves nothing after it.
    if (distrusts !== this.#distrusts) return this.#checkChunk(topics, patient);
    const missing: Tail[] = [];
    answer.value.heads.forEach((head, i) => {
      const { tail, ...then } = known[i]!;
      if (!tail || tail.gone || tail.busy) return;
      if (patient && tail.state === 'following' && head.epoch === tail.epoch && head.seq > tail.seq)
        this.#expect(tail, head);
      else this.#compare(tail, then, head, 'since' in asks[i]!);
      if (this.#isMissing(tail, then, head)) missing.push(tail);
    });
    if (missing.length > 0) await this.#vanish(missing);
    return true;
  }

  /**
   * Of a run that the store has lost no event ever comes that could bring the news, so who follows it is told now. Of
   * other topics the next event does.
   */
  #isMissing(tail: Tail, then: Then, head: TopicHead): boolean {
    if (head.epoch !== '' || tail.epoch !== then.epoch || !(then.attached || tail.epoch !== '')) return false;
    return tail.located && !tail.vanished && !tail.busy && this.#ports.followsRun(tail.topic);
  }

  /**
   * Where the run is gone, too, all who follow it are told, and with them the patterns that match. Where it goes on, its
   * next event tells of the numbering that it begins.
   */
  async #vanish(tails: readonly Tail[]): Promise<void> {
    const distrusts = this.#distrusts;
    const epochs = tails.map(({ epoch }) => epoch);
    const gone = await this.goneOf(tails.map(({ topic }) => topic));
    // What was to be given out before would take the place of what is said here.
    await this.#ports.passed();
    // The next round asks again.
    if (!gone.ok || distrusts !== this.#distrusts) return;
    const names = new Set(gone.value);
    for (const [i, tail] of tails.entries()) {
      if (tail.gone || tail.busy || tail.epoch !== epochs[i]) continue;
      const isGone = names.has(tail.topic);
      // One of which nothing was ever heard has no numbering that could be another.
      if (isGone || tail.epoch !== '') tail.lose();
      if (!isGone) continue;
      tail.vanished = true;
      this.#ports.emit(new Renumbered(tail.topic, '', 0, tail));
    }
    // A store that came back empty has lost all of them: no more at once than can be given out.
    await this.#ports.passed();
  }

  #expect(tail: Tail, head: TopicHead): void {
    this.#ports.clock.later(patienceMs, () => {
      const came = tail.gone || tail.busy || tail.epoch !== head.epoch || tail.seq >= head.seq;
      if (!came) this.#repair(tail);
    });
  }

  /** `then` is what was known when the question went out; the answer cannot be older than that. */
  #compare(tail: Tail, then: Then, head: TopicHead, timed: boolean): void {
    if (!tail.located) {
      // A pattern that wants it came while the question was out: where to begin has to be asked with its time.
      if (!timed && Number.isFinite(this.#ports.wantedSince(tail.topic))) {
        this.#repair(tail);
        return;
      }
      begin(tail, head, timed, this.#ports);
    } else if (tail.epoch === then.epoch && head.epoch === tail.epoch && then.seq > 0) {
      tail.rewound = head.seq < then.seq || (head.seq === then.seq && then.ts > 0 && head.ts !== then.ts);
    }
    const another = head.epoch !== tail.epoch && head.epoch !== '';
    if (tail.rewound || another || head.seq > tail.seq || tail.wants) this.#repair(tail);
    else tail.follow();
  }
}

function lastOf(batch: LiveBatch): number {
  return batch.seq + batch.bodies.length - 1;
}
