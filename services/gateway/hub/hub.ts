import type { Clock } from '../../../shared/base/clock.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Engine, LiveBatch } from '../../../shared/engine/engine.ts';
import { Behind } from './behind.ts';
import type { Cursor } from './cursor.ts';
import { Endings } from './endings.ts';
import type { Entry } from './entry.ts';
import { FastLane } from './fast-lane.ts';
import type { LaneParts } from './fast-lane.ts';
import type { Format } from './format.ts';
import { Outgoing } from './outgoing.ts';
import { Pages } from './pages.ts';
import type { Defer, HubStats, Socket } from './ports.ts';
import { Pump } from './pump.ts';
import { Ring } from './ring.ts';
import { Rounds } from './rounds.ts';
import { Subscriber } from './subscriber.ts';
import { Subscriptions } from './subscriptions.ts';
import { Tails } from './tails.ts';
import type { VanishingPorts } from './vanishing.ts';

/** Answers that wait for room in one socket; whoever lets more gather does not read at all. */
const maxOutbox = 256;
const maxOutboxBytes = 8 * 1024 * 1024;

export interface HubOptions extends LaneParts, Pick<VanishingPorts, 'goesOn'> {
  log: Engine['log'];
  clock: Clock;
  defer: Defer;
  /** Events that a connection may lag behind per topic. */
  maxLag: number;
  /** Bytes that wait in a socket when nothing but answers is sent to it any more; well below the socket's own limit. */
  highWater: number;
  ringEntries?: number;
  ringBytes?: number;
}

/**
 * The local half of publish and subscribe: takes the topics that somebody here wants from the log, in order and
 * without holes, and brings them to the connections: those that keep up by native publish, the others by a cursor.
 * It promises each connection every event of its topics once, in order, or a notice of what it will not get.
 */
export class Hub {
  readonly subscriptions = new Subscriptions();
  readonly tails: Tails;
  readonly lane: FastLane;
  readonly pump: Pump;
  readonly rounds: Rounds;
  readonly log: Engine['log'];
  readonly ring: Ring;
  readonly clock: Clock;
  readonly endings: Endings;
  readonly defer: Defer;
  readonly #stats: HubStats;
  readonly #pages: Pages;
  readonly #behind: Behind;
  readonly outgoing: Outgoing;
  #overrun = false;

  constructor(options: HubOptions) {
    const { log, clock, defer, stats, goesOn } = options;
    this.log = log;
    this.clock = clock;
    this.defer = defer;
    this.#stats = stats;
    this.ring = new Ring(options.ringEntries ?? 4096, options.ringBytes ?? 64 * 1024 * 1024, (tail) =>
      this.#behind.overrun(tail),
    );
    this.#behind = new Behind(this.ring, stats, (subscriber, topic) => this.matches(subscriber, topic));
    this.#pages = new Pages(log, clock);
    this.endings = new Endings(this, defer);
    this.outgoing = new Outgoing((entry) => this.#publish(entry), defer);
    this.lane = new FastLane(options, (subscriber, n) => this.#lost(subscriber, n));
    this.tails = new Tails({
      log,
      clock,
      stats,
      goesOn,
      emit: (entry) => this.outgoing.push(entry),
      passed: () => this.outgoing.passed(),
      wanted: (topic) => this.subscriptions.route(topic).length > 0,
      followsRun: (topic) => topic.startsWith('run.') && this.subscriptions.get(topic) !== undefined,
      attached: (topic) => this.subscriptions.get(topic)?.attached !== undefined,
      wantedSince: (topic) => this.#wantedSince(topic),
    });
    this.rounds = new Rounds({
      log,
      clock,
      tails: this.tails,
      exact: (topic) => this.subscriptions.get(topic) !== undefined,
      hasPatterns: () => this.subscriptions.hasPatterns,
      wanted: (topic) => this.subscriptions.route(topic).length > 0,
      nudge: () =>
        this.#behind.each((subscriber) => {
          if (subscriber.socket.buffered() <= options.highWater) this.drained(subscriber);
        }),
    });
    this.pump = new Pump({
      ring: this.ring,
      pages: this.#pages,
      clock,
      stats,
      defer,
      maxLag: options.maxLag,
      highWater: options.highWater,
      matches: (subscriber, topic) => this.matches(subscriber, topic),
      headOf: (topic, epoch) => {
        const tail = this.tails.get(topic);
        return tail?.sentEpoch === epoch ? tail.sentSeq : undefined;
      },
      ended: (subscriber, topic) => this.endings.end(subscriber, topic),
      caughtUp: (subscriber) => this.#goLive(subscriber),
    });
    log.listen({
      live: (batches) => this.#live(batches),
      disturbed: () => {
        this.#pages.clear();
        void this.rounds.recover();
      },
    });
  }

  start(): void {
    this.rounds.start();
  }

  stop(): void {
    this.rounds.stop();
    this.#pages.stop();
    for (const { topic } of this.tails.all()) this.tails.forget(topic);
  }

  connect(socket: Socket, format: Format): Subscriber {
    const subscriber = new Subscriber(socket, format);
    this.lane.join(subscriber);
    return subscriber;
  }

  /** The socket is closed: nothing is sent to it any more. */
  disconnect(subscriber: Subscriber): void {
    subscriber.closed = true;
    this.lane.leave(subscriber);
    this.#behind.remove(subscriber);
    subscriber.owed?.cancelRetry();
    for (const name of subscriber.attached ?? []) subscriber.keep(name);
    this.release(subscriber.leaveAll());
    subscriber.outbox = undefined;
  }

  /** An answer: never refused for the socket being full, never overtaken by an event. False: more wait than may. */
  send(subscriber: Subscriber, frame: Uint8Array): boolean {
    if (subscriber.closed) return true;
    if (!subscriber.outbox) {
      if (subscriber.socket.send(frame, subscriber.format.binary)) return true;
      subscriber.outbox = [];
      this.leaveLane(subscriber);
      if (subscriber.cursor && subscriber.cursor.blockedSince === 0) subscriber.cursor.blockedSince = this.clock.now();
    }
    subscriber.outbox.push(frame);
    const bytes = subscriber.outbox.reduce((sum, { length }) => sum + length, 0);
    return subscriber.outbox.length <= maxOutbox && bytes <= maxOutboxBytes;
  }

  /** The socket has room again. */
  drained(subscriber: Subscriber): void {
    const { outbox, cursor } = subscriber;
    if (outbox) {
      while (outbox.length > 0 && subscriber.socket.send(outbox[0]!, subscriber.format.binary)) outbox.shift();
      if (outbox.length > 0) return;
      subscriber.outbox = undefined;
    }
    if (!cursor) return;
    cursor.blockedSince = 0;
    this.pump.wake(subscriber);
  }

  /**
   * Native publish found the socket full. It says so once for all that it had gathered, and names the first message
   * lost: nothing from there on has reached the socket.
   */
  dropped(subscriber: Subscriber, frame: Uint8Array): void {
    const { cursor } = subscriber;
    if (cursor && !cursor.undecided) return;
    const place = this.#behind.placeOf(frame, subscriber.format);
    // What is lost cannot be told, so the client has to come back by its positions.
    if (place < 0) subscriber.socket.close(4408, 'too slow');
    else if (cursor) cursor.n = Math.min(cursor.n, place);
    else this.#lost(subscriber, place);
  }

  matches(subscriber: Subscriber, topic: string): boolean {
    if (subscriber.subscriptions.has(topic)) return true;
    for (const subscription of this.subscriptions.route(topic)) {
      if (subscription.pattern && subscriber.subscriptions.has(subscription.name)) return true;
    }
    return false;
  }

  /** From now on the node takes the topic's events, or the pattern's. */
  async hold(names: readonly string[]): Promise<Result<void>> {
    this.#stats.subscriptions += names.length;
    const held = names.map((name) => this.subscriptions.hold(name));
    // Also what another subscribe holds already: that one may still be under way, and asking twice costs nothing.
    if (held.some(({ pattern, local }) => pattern && !local)) {
      const all = await this.log.watchAll(true);
      if (!all.ok) return all;
    }
    return this.log.watch(held.filter(({ pattern }) => !pattern).map(({ name }) => name));
  }

  release(names: Iterable<string>): void {
    let patternsGone = false;
    for (const name of names) {
      const subscription = this.subscriptions.get(name);
      this.#stats.subscriptions -= 1;
      if (!subscription || !this.subscriptions.release(subscription)) continue;
      if (subscription.pattern) {
        patternsGone ||= !subscription.local;
      } else {
        this.log.unwatch([name]);
        if (this.subscriptions.route(name).length === 0) this.tails.forget(name);
      }
    }
    // Once for all of them: a client may leave with a thousand patterns, from a node that follows as many topics.
    if (!patternsGone) return;
    if (!this.subscriptions.hasPatterns) void this.log.watchAll(false);
    for (const { topic } of this.tails.all()) {
      if (this.subscriptions.route(topic).length === 0) this.tails.forget(topic);
    }
  }

  /** Takes a connection off the lane and puts it on a cursor, at the place from which on it has got nothing. */
  leaveLane(subscriber: Subscriber): Cursor {
    // What native publish gathered goes out first; that may find the socket full, and then says from where on.
    const decided = subscriber.cursor || !subscriber.gathers || subscriber.socket.flush();
    this.lane.leave(subscriber);
    if (subscriber.cursor) return subscriber.cursor;
    const cursor = this.#behind.add(subscriber, this.ring.head);
    cursor.undecided = !decided;
    // The doubt ends with the turn: the pump, when it comes to this cursor in the next one, takes it away.
    if (!decided) this.pump.wake(subscriber);
    return cursor;
  }

  /** The entries up to now are settled for this cursor by positions; what the ring gets from now on is still to come. */
  unpin(subscriber: Subscriber, cursor: Cursor): void {
    this.#behind.unpin(subscriber, cursor);
  }

  #goLive(subscriber: Subscriber): void {
    this.#behind.remove(subscriber);
    this.lane.join(subscriber);
  }

  #lost(subscriber: Subscriber, n: number): void {
    this.#behind.add(subscriber, n);
    this.lane.leave(subscriber);
    this.pump.wake(subscriber);
  }

  #live(batches: LiveBatch[]): void {
    if (this.outgoing.full) {
      void this.#recoverWhenPassed();
      return;
    }
    for (const batch of batches) this.tails.live(batch);
  }

  /** More comes live than can be given out: the log has it, and will be read when there is room. */
  async #recoverWhenPassed(): Promise<void> {
    if (this.#overrun) return;
    this.#overrun = true;
    await this.outgoing.passed();
    this.#overrun = false;
    await this.rounds.recover();
  }

  #publish(entry: Entry): void {
    const { tail } = entry;
    // Left meanwhile: whoever wants the topic again begins where the store stands then.
    if (tail?.gone) return;
    if (entry.kind === 'gap') tail?.sent(entry.epoch, entry.to);
    else if (entry.kind === 'renumbered' || entry.seq > 0) tail?.sent(entry.epoch, entry.seq);
    this.ring.push(entry);
    const route = this.subscriptions.route(entry.topic);
    this.lane.publish(entry, route);
    // Of a topic without attachments nothing more is looked at.
    const byName = route.at(-1);
    if (byName?.attached) this.endings.passed(entry, byName.attached);
  }

  #wantedSince(topic: string): number {
    let since = Number.POSITIVE_INFINITY;
    for (const subscription of this.subscriptions.route(topic)) {
      if (subscription.pattern) since = Math.min(since, subscription.since);
    }
    return Math.max(since, this.rounds.forgottenUpTo + 1);
  }
}
