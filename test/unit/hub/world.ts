import { expect } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { matches } from '../../../shared/topics/match.ts';
import type { Entry } from '../../../services/gateway/hub/entry.ts';
import { Hub } from '../../../services/gateway/hub/hub.ts';
import type { Since } from '../../../services/gateway/hub/since.ts';
import { unsubscribe } from '../../../services/gateway/hub/leaving.ts';
import { prepare } from '../../../services/gateway/hub/subscribing.ts';
import type { Subscribed } from '../../../services/gateway/hub/subscribing.ts';
import type { Subscriber } from '../../../services/gateway/hub/subscriber.ts';
import { newGatewayStats } from '../../../shared/observe/metrics.ts';
import { FakeLog } from './fake-log.ts';
import { FakeFanout, FakeSocket } from './fake-socket.ts';

const encoder = new TextEncoder();

function encode(entry: Entry): Uint8Array {
  const { topic } = entry;
  if (entry.kind === 'event')
    return encoder.encode(JSON.stringify({ topic, epoch: entry.epoch, seq: entry.seq, body: entry.body }));
  if (entry.kind === 'gap') return encoder.encode(JSON.stringify({ topic, from: entry.from, to: entry.to }));
  return encoder.encode(JSON.stringify({ topic, renumbered: entry.epoch }));
}

export interface Pushed {
  topic: string;
  epoch?: string;
  seq?: number;
  body?: string;
  from?: number;
  to?: number;
  renumbered?: string;
  answer?: Subscribed[];
  /** What the log held when the answer was made. */
  heads?: Record<string, number>;
  unsubscribed?: string[];
}

/** A client, and what it was told in which order. The answers stand between the events, as on a wire. */
export class Client {
  readonly socket: FakeSocket;
  readonly subscriber: Subscriber;
  readonly held = new Set<string>();
  pending = 0;

  constructor(socket: FakeSocket, subscriber: Subscriber) {
    this.socket = socket;
    this.subscriber = subscriber;
  }

  get pushes(): Pushed[] {
    return this.socket.received.map((text) => JSON.parse(text) as Pushed);
  }
}

export interface WorldOptions {
  maxLag: number;
  ringEntries: number;
  limit: number;
}

/** One node with its clients, everything around it driven by hand. */
export class World {
  readonly log = new FakeLog();
  readonly clock = new ManualClock();
  readonly fanout = new FakeFanout();
  readonly stats = newGatewayStats();
  readonly hub: Hub;
  readonly clients: Client[] = [];
  readonly formats = [
    { index: 0, name: 'a', binary: false, encode: (entry: Entry) => this.#encode(entry) },
    { index: 1, name: 'b', binary: false, encode: (entry: Entry) => this.#encode(entry) },
  ];
  encodings = 0;
  readonly #limit: number;
  #deferred: (() => void)[] = [];

  constructor(options: WorldOptions) {
    this.#limit = options.limit;
    this.hub = new Hub({
      log: this.log,
      clock: this.clock,
      fanout: this.fanout,
      stats: this.stats,
      formats: this.formats,
      defer: (work) => this.#deferred.push(work),
      maxLag: options.maxLag,
      highWater: options.limit / 2,
      ringEntries: options.ringEntries,
    });
    this.hub.start();
  }

  connect(native = true): Client {
    const socket = new FakeSocket(this.#limit, native);
    const client = new Client(socket, this.hub.connect(socket, this.formats[this.clients.length % 2]!));
    socket.onDropped = (frame) => this.hub.dropped(client.subscriber, frame);
    socket.onDrained = () => this.hub.drained(client.subscriber);
    socket.onClosed = () => this.disconnect(client);
    this.fanout.sockets.add(socket);
    this.clients.push(client);
    return client;
  }

  disconnect(client: Client): void {
    if (client.subscriber.closed) return;
    this.fanout.sockets.delete(client.socket);
    this.hub.disconnect(client.subscriber);
  }

  subscribe(client: Client, asks: { topic: string; since: Since }[]): Promise<void> {
    client.pending += 1;
    return prepare(this.hub, client.subscriber, asks).then((prepared) => {
      client.pending -= 1;
      if (!prepared.ok || client.subscriber.closed) return;
      const answer = prepared.value.attach();
      for (const { topic } of asks) client.held.add(topic);
      const heads = Object.fromEntries([...this.log.topics].map(([topic, kept]) => [topic, kept.seq]));
      this.hub.send(client.subscriber, encoder.encode(JSON.stringify({ topic: '', answer, heads })));
      prepared.value.begin();
    });
  }

  unsubscribe(client: Client, topic: string): void {
    if (!client.held.delete(topic)) return;
    unsubscribe(this.hub, client.subscriber, [topic]);
    this.hub.send(client.subscriber, encoder.encode(JSON.stringify({ topic: '', unsubscribed: [topic] })));
  }

  /** The end of a turn: gathered messages are written, deferred work runs, promises settle. */
  async turn(): Promise<void> {
    await settle();
    this.fanout.endTurn();
    await settle();
    const work = this.#deferred;
    this.#deferred = [];
    for (const run of work) run();
    await settle();
    this.fanout.endTurn();
    await settle();
  }

  /** Everything that is under way arrives, every client reads, and the rounds have looked for what was lost. */
  async rest(): Promise<void> {
    this.log.away = false;
    this.log.hear();
    for (let quiet = 0; quiet < 6;) {
      const before = this.#marks();
      for (const client of this.clients) client.socket.read();
      this.log.deliver(Number.POSITIVE_INFINITY);
      this.log.answer(Number.POSITIVE_INFINITY);
      await this.turn();
      if (this.log.asked === 0) this.clock.advance(1100);
      await this.turn();
      const behind = this.clients.some(
        ({ pending, subscriber }) => pending > 0 || (subscriber.cursor && !subscriber.closed),
      );
      const busy = behind || [...this.hub.tails.all()].some((tail) => tail.state === 'reading');
      quiet = this.#marks() === before && !busy ? quiet + 1 : 0;
    }
  }

  #encode(entry: Entry): Uint8Array {
    this.encodings += 1;
    return encode(entry);
  }

  #marks(): string {
    return this.clients.map((client) => `${client.socket.received.length} ${client.pending}`).join();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 12; i += 1) await Promise.resolve();
}

/** Sequences of one topic as a client saw them. */
export function eventsOf(client: Client, topic: string): Pushed[] {
  return client.pushes.filter((push) => push.topic === topic && push.seq !== undefined && push.seq > 0);
}

export function expectOnceInOrder(client: Client): void {
  const last = new Map<string, { epoch: string; seq: number }>();
  let held: string[] = [];
  const ephemeral = new Set<string>();
  for (const push of client.pushes) {
    if (push.seq === 0) {
      expect(ephemeral.has(push.body!), `an ephemeral event twice: ${JSON.stringify(push)}`).toBe(false);
      ephemeral.add(push.body!);
    }
    if (push.answer) held.push(...push.answer.map(({ topic }) => topic));
    if (push.unsubscribed) {
      held = held.filter((name) => !push.unsubscribed!.includes(name));
      // Who unsubscribes and comes back may ask for what it had: a new beginning for the topics that it no longer covers.
      for (const topic of last.keys()) if (!held.some((name) => matches(name, topic))) last.delete(topic);
    }
    if (push.renumbered !== undefined) last.delete(push.topic);
    if (push.from !== undefined) {
      const known = last.get(push.topic);
      if (known) expect(push.from, `a notice of what was sent: ${JSON.stringify(push)}`).toBeGreaterThan(known.seq);
    }
    if (push.seq === undefined || push.seq === 0) continue;
    const known = last.get(push.topic);
    if (known) {
      expect(push.epoch, `another numbering without a notice: ${JSON.stringify(push)}`).toBe(known.epoch);
      expect(push.seq, `repeated or out of order: ${JSON.stringify(push)}`).toBeGreaterThan(known.seq);
    }
    expect(
      held.some((name) => matches(name, push.topic)),
      `not subscribed: ${JSON.stringify(push)}`,
    ).toBe(true);
    last.set(push.topic, { epoch: push.epoch!, seq: push.seq });
  }
}
