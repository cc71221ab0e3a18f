import { expect } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { matches } from '../../../shared/topics/match.ts';
import { attach, attached } from '../../../services/gateway/hub/attaching.ts';
import { endsRun } from '../../../services/gateway/hub/endings.ts';
import type { Entry } from '../../../services/gateway/hub/entry.ts';
import { Hub } from '../../../services/gateway/hub/hub.ts';
import { hush } from '../../../services/gateway/hub/hushing.ts';
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
    return encoder.encode(
      JSON.stringify({ topic, epoch: entry.epoch, seq: entry.seq, ts: entry.ts, body: entry.body }),
    );
  if (entry.kind === 'gap') return encoder.encode(JSON.stringify({ topic, from: entry.from, to: entry.to }));
  return encoder.encode(JSON.stringify({ topic, renumbered: entry.epoch }));
}

export interface Pushed {
  topic: string;
  epoch?: string;
  seq?: number;
  ts?: number;
  body?: string;
  from?: number;
  to?: number;
  renumbered?: string;
  answer?: Subscribed[];
  /** What the log held when the answer was made. */
  heads?: Record<string, number>;
  unsubscribed?: string[];
  /** Of those unsubscribed from, or covered by them: attachments that were promised and not made yet. */
  owed?: string[];
  attached?: Attached;
  /** A request was begun, and what comes after this time may be of its making; or that one was answered. */
  hushed?: number;
  spoken?: number;
}

/** An attachment, as it was when it was asked for. */
export interface Attached {
  topic: string;
  /** Where it is left out, from the first that is kept. */
  after?: number;
  /** Another subscription brought the topic already. */
  covered: boolean;
}

/** A client, and what it was told in which order. The answers stand between the events, as on a wire. */
export class Client {
  readonly socket: FakeSocket;
  readonly subscriber: Subscriber;
  readonly held = new Set<string>();
  pending = 0;
  /** Requests under way whose answers are to come first, by the time of the log when they began. */
  readonly hushes = new Map<number, () => void>();

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
      goesOn: (topic) => this.log.goesOn(topic),
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
    const promised = attached(this.hub, client.subscriber);
    return promised.then(async (made) => {
      const prepared = made.ok ? await prepare(this.hub, client.subscriber, asks) : made;
      client.pending -= 1;
      if (!prepared.ok || client.subscriber.closed) return;
      const answer = prepared.value.attach();
      for (const { topic } of asks) client.held.add(topic);
      const heads = Object.fromEntries([...this.log.topics].map(([topic, kept]) => [topic, kept.seq]));
      this.#tell(client, { topic: '', answer, heads });
      prepared.value.begin();
    });
  }

  /** Nothing for one that it follows already. */
  attach(client: Client, topic: string, after: number | undefined): void {
    const { subscriber } = client;
    if (!subscriber.subscriptions.has(topic) && !subscriber.owed?.attachments.has(topic)) {
      const from = after === undefined ? {} : { after };
      this.#tell(client, { topic: '', attached: { topic, ...from, covered: this.hub.matches(subscriber, topic) } });
    }
    attach(this.hub, subscriber, { topic, after, over: this.log.hasEnded(topic) });
  }

  unsubscribe(client: Client, topic: string): void {
    const owed = [...(client.subscriber.owed?.attachments.keys() ?? [])];
    if (!client.held.delete(topic) && !client.subscriber.subscriptions.has(topic) && !owed.includes(topic)) return;
    unsubscribe(this.hub, client.subscriber, [topic]);
    this.#tell(client, { topic: '', unsubscribed: [topic], owed });
  }

  hush(client: Client): void {
    const at = (this.log.clock += 1);
    client.hushes.set(at, hush(this.hub, client.subscriber));
    this.#tell(client, { topic: '', hushed: at });
  }

  /** The oldest and the newest in turn, if it is not said which: they are answered in any order. */
  speak(client: Client, which?: 'oldest' | 'newest'): void {
    const begun = [...client.hushes.keys()];
    const at = (which ?? (begun.length % 2 === 0 ? 'oldest' : 'newest')) === 'oldest' ? begun.at(0) : begun.at(-1);
    if (at === undefined) return;
    this.#tell(client, { topic: '', spoken: at });
    client.hushes.get(at)?.();
    client.hushes.delete(at);
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
    for (const client of this.clients) while (client.hushes.size > 0) this.speak(client);
    // A round of the node's, and what it asks before it says that a run is gone, take eight that nobody hears of.
    for (let quiet = 0, rounds = 0; quiet < 12; rounds += 1) {
      if (rounds > 10_000) throw new Error('the world does not come to rest');
      const before = this.#marks();
      for (const client of this.clients) client.socket.read();
      this.log.deliver(Number.POSITIVE_INFINITY);
      this.log.answer(Number.POSITIVE_INFINITY);
      await this.turn();
      if (this.log.asked === 0) this.clock.advance(1100);
      await this.turn();
      const behind = this.clients.some(
        ({ pending, subscriber }) => pending > 0 || (!subscriber.closed && (subscriber.cursor ?? subscriber.owed)),
      );
      const busy = behind || [...this.hub.tails.all()].some((tail) => tail.state === 'reading');
      quiet = this.#marks() === before && !busy ? quiet + 1 : 0;
    }
  }

  /** Stands between the events, as an answer on a wire. */
  #tell(client: Client, push: Pushed): void {
    this.hub.send(client.subscriber, encoder.encode(JSON.stringify(push)));
  }

  #encode(entry: Entry): Uint8Array {
    this.encodings += 1;
    return encode(entry);
  }

  #marks(): string {
    return this.clients.map((client) => `${client.socket.received.length} ${client.pending}`).join();
  }
}

export async function settle(): Promise<void> {
  for (let i = 0; i < 12; i += 1) await Promise.resolve();
}

/** Sequences of one topic as a client saw them. */
export function eventsOf(client: Client, topic: string): Pushed[] {
  return client.pushes.filter((push) => push.topic === topic && push.seq !== undefined && push.seq > 0);
}

export function endOf(push: Pushed): boolean {
  return push.body !== undefined && endsRun(push.body);
}

/** `again`: what is read for a number that was settled before a request began may be younger, if it is given out again. */
export function expectOnceInOrder(client: Client, again?: ReadonlySet<string>): void {
  const last = new Map<string, { epoch: string; seq: number }>();
  let held: string[] = [];
  const runs = new Set<string>();
  const follows = (topic: string): boolean => runs.has(topic) || held.some((name) => matches(name, topic));
  const ephemeral = new Set<string>();
  const hushed = new Set<number>();
  for (const push of client.pushes) {
    if (push.hushed !== undefined) hushed.add(push.hushed);
    if (push.spoken !== undefined) hushed.delete(push.spoken);
    const early = push.ts !== undefined && !again?.has(push.body!) && [...hushed].some((at) => push.ts! > at);
    expect(early, `ahead of an answer: ${JSON.stringify(push)}`).toBe(false);
    if (push.seq === 0) {
      expect(ephemeral.has(push.body!), `an ephemeral event twice: ${JSON.stringify(push)}`).toBe(false);
      ephemeral.add(push.body!);
    }
    if (push.answer) held.push(...push.answer.map(({ topic }) => topic));
    if (push.attached) {
      runs.add(push.attached.topic);
      // It followed nothing of it any more, even if the end of an earlier attachment was not told: a new beginning.
      if (!push.attached.covered) last.delete(push.attached.topic);
    }
    if (push.unsubscribed) {
      held = held.filter((name) => !push.unsubscribed!.includes(name));
      for (const name of push.unsubscribed) runs.delete(name);
      // Its end may have come by what it is left without, and comes again when it is made.
      for (const topic of push.owed ?? []) if (!push.unsubscribed.includes(topic)) runs.add(topic);
      // Who unsubscribes and comes back may ask for what it had: a new beginning for the topics that it no longer covers.
      for (const topic of last.keys()) {
        const covered = held.some((name) => matches(name, topic));
        if (!covered && (!runs.has(topic) || push.owed?.includes(topic))) last.delete(topic);
      }
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
    expect(follows(push.topic), `not subscribed: ${JSON.stringify(push)}`).toBe(true);
    last.set(push.topic, { epoch: push.epoch!, seq: push.seq });
    if (!endOf(push)) continue;
    runs.delete(push.topic);
    // Attached to anew, an ended run is told from its beginning.
    if (!follows(push.topic)) last.delete(push.topic);
  }
}
