import type { Listener } from './audience.ts';
import { Connection } from './connection.ts';
import type { Push } from './connection.ts';
import { Ledger } from './ledger.ts';
import type { Payload, Position } from './ledger.ts';
import { deliveryMs, fail, resumeMs } from './measures.ts';
import type { Moments } from './setting.ts';
import type { Format } from './wire.ts';

interface Subscribed {
  readonly subscriptions: readonly {
    readonly topic: string;
    readonly pattern: boolean;
    readonly epoch?: string;
    readonly seq?: number;
    readonly recovered?: boolean;
  }[];
}

/** A subscriber. Keeps a ledger for each topic that it hears, across its connections. */
export class Client {
  readonly #url: string;
  readonly #format: Format;
  readonly #listener: Listener;
  readonly #moments: Moments;
  readonly #ledgers = new Map<string, Ledger>();
  /** Up to where each topic has to be read for the client to be back, and since when it has been on its way. */
  readonly #owedAtReturn = new Map<string, number>();
  #returned = 0;
  #received = 0;
  #connection: Connection | undefined;

  constructor(url: string, format: Format, listener: Listener, moments: Moments) {
    this.#url = url;
    this.#format = format;
    this.#listener = listener;
    this.#moments = moments;
  }

  /** The topics that it hears need be new for a pattern: what came before it has no position. */
  async arrive(): Promise<void> {
    const { subscriptions } = await this.#subscribe(this.#listener.subscriptions);
    for (const { topic, pattern, seq = 0, epoch = '' } of subscriptions) {
      if (!pattern && !this.#ledgers.has(topic)) this.#ledgers.set(topic, new Ledger({ seq, epoch }));
    }
  }

  /** With the positions at which it left. */
  async comeBack(): Promise<void> {
    this.#returned = Date.now();
    this.#owedAtReturn.clear();
    const topics = [...this.#ledgers].map(([topic, ledger]) => ({ topic, since: ledger.position }));
    for (const ledger of this.#ledgers.values()) ledger.comeBack();
    const { subscriptions } = await this.#subscribe(topics);
    for (const { topic, seq = 0, recovered } of subscriptions) {
      if (recovered !== true) fail(`${topic}: not recovered`);
      if (seq > this.#ledgers.get(topic)!.position.seq) this.#owedAtReturn.set(topic, seq);
    }
    if (this.#owedAtReturn.size === 0) resumeMs.add(Date.now() - this.#returned);
  }

  async leave(): Promise<void> {
    await this.#connection?.close();
    this.#connection = undefined;
  }

  /** Whether it has everything up to the heads. */
  hasAll(heads: ReadonlyMap<string, Position>): boolean {
    return this.#listener.topics.every(
      (topic) => (this.#ledgers.get(topic)?.position.seq ?? 0) >= heads.get(topic)!.seq,
    );
  }

  ledger(topic: string): Ledger {
    return this.#ledgers.get(topic) ?? new Ledger({ seq: 0, epoch: '' });
  }

  /** How many events, whichever they were. */
  get received(): number {
    return this.#received;
  }

  get topics(): readonly string[] {
    return this.#listener.topics;
  }

  async #subscribe(topics: readonly unknown[]): Promise<Subscribed> {
    this.#connection = await Connection.open(this.#url, this.#format, {
      push: (push) => this.#take(push),
      lost: () => fail('a subscriber lost its connection'),
    });
    return this.#connection.request<Subscribed>({ type: 'subscribe', topics });
  }

  #take({ type, topic, seq, epoch, data }: Push): void {
    // A hole that `dropped` announces is found by the numbers as well.
    if (type !== 'event') return;
    let ledger = this.#ledgers.get(topic);
    if (ledger === undefined) {
      ledger = new Ledger({ seq: 0, epoch: '' });
      this.#ledgers.set(topic, ledger);
    }
    const payload = data as Payload;
    ledger.take({ seq, epoch, data: payload });
    this.#received++;
    const late = this.#owedAtReturn.get(topic);
    if (late !== undefined) return this.#catchUp(topic, seq, late);
    const { measureFrom, measureTo } = this.#moments;
    if (payload.at >= measureFrom && payload.at < measureTo) deliveryMs.add(Date.now() - payload.at);
  }

  /** What came while the client was away is late by that; its latency says nothing. */
  #catchUp(topic: string, seq: number, head: number): void {
    if (seq < head) return;
    this.#owedAtReturn.delete(topic);
    if (this.#owedAtReturn.size === 0) resumeMs.add(Date.now() - this.#returned);
  }
}
