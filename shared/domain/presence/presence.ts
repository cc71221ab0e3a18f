import type { Clock } from '../../base/clock.ts';
import { fail } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Engine } from '../../engine/engine.ts';
import type { PresenceMember } from '../../protocol/presence.ts';
import { portions } from '../gathered.ts';
import type { Remains } from '../remains.ts';
import { Listing } from './listing.ts';
import { PresenceNews } from './presence-news.ts';
import { beatMs, leasesOf, readMember, Room, toldMs } from './room.ts';
import type { RoomParts } from './room.ts';

const roomsAtOnce = 64;

export interface PresenceParts {
  readonly engine: Pick<Engine, 'leases' | 'log'>;
  readonly clock: Clock;
  readonly remains: Pick<Remains, 'note' | 'erase'>;
}

/**
 * Who is at a topic, of those that say so. Each member is a lease that its node renews, so that whoever is killed with
 * it is gone after a few seconds. Nobody asks another node.
 */
export class Presence {
  readonly #parts: RoomParts;
  readonly #rooms = new Map<string, Room>();
  /** By connection. */
  readonly #topics = new Map<string, Set<string>>();
  /** Those that somebody asked for lately. */
  readonly #listings = new Map<string, Listing>();
  readonly #news: PresenceNews;
  #spans = 0;
  #stopped = false;
  #cancel: () => void = () => {};

  constructor({ engine, clock, remains }: PresenceParts) {
    this.#news = new PresenceNews(engine.log);
    const nextSpan = (): number => (this.#spans += 1);
    this.#parts = { leases: engine.leases, clock, remains, news: this.#news, nextSpan };
  }

  start(): void {
    this.#nextBeat(beatMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await Promise.all([...this.#rooms.values()].map((room) => room.leaveAll()));
    await this.#news.retry();
    this.#sweep();
  }

  /**
   * Who is there already stays as it was. Resolves when the others can know; where the store is away it is told later,
   * and that is no reason to keep anybody out of the topic itself.
   */
  async join(connection: string, identity: string, topics: readonly string[], since: number): Promise<void> {
    let own = this.#topics.get(connection);
    if (!own) this.#topics.set(connection, (own = new Set()));
    for (const topic of topics) own.add(topic);
    await Promise.all([...new Set(topics)].map((topic) => this.#room(topic).join(connection, identity, since)));
  }

  async leave(connection: string, topics: readonly string[]): Promise<void> {
    const own = this.#topics.get(connection);
    if (!own) return;
    const left = topics.filter((topic) => own.delete(topic));
    if (own.size === 0) this.#topics.delete(connection);
    await Promise.all(left.map((topic) => this.#room(topic).leave(connection)));
  }

  /** The connection has ended. */
  gone(connection: string): void {
    const own = this.#topics.get(connection);
    if (own) void this.leave(connection, [...own]);
  }

  /** Of the whole cluster, those who were there first first. */
  members(topic: string): Promise<Result<readonly PresenceMember[]>> {
    let listing = this.#listings.get(topic);
    if (!listing) {
      listing = new Listing(topic, this.#parts.leases, this.#parts.clock);
      this.#listings.set(topic, listing);
    }
    return listing.ask();
  }

  /**
   * Tells of those whose nodes are gone, and takes them out then: should this node die in between, another one does it.
   * What was begun too long ago for the store to know whether it was told is not told again.
   */
  async reap(topic: string): Promise<Result<void>> {
    const { leases } = this.#parts;
    for (;;) {
      const reaped = await leases.reap(leasesOf(topic));
      if (!reaped.ok) return reaped;
      const { gone, rest } = reaped.value;
      const untold = gone.filter(({ givenMs }) => givenMs < toldMs).map(readMember);
      const told = await this.#news.tellGone(topic, untold);
      if (!told.ok) return told;
      const forgotten = await leases.forget(leasesOf(topic), gone);
      if (!forgotten.ok || !rest) return forgotten;
      if (gone.length === 0) return fail('conflict', 'another node is about to tell of them');
    }
  }

  #room(topic: string): Room {
    let room = this.#rooms.get(topic);
    if (!room) this.#rooms.set(topic, (room = new Room(topic, this.#parts)));
    return room;
  }

  #nextBeat(inMs: number): void {
    this.#cancel = this.#parts.clock.later(inMs, () => void this.#beat());
  }

  async #beat(): Promise<void> {
    const began = this.#parts.clock.now();
    this.#sweep();
    // Not waited for: what there is to tell of a crowd takes longer than its leases may wait.
    void this.#news.retry();
    for (const some of portions(this.#rooms.values(), roomsAtOnce)) {
      await Promise.all(some.map((room) => room.renew()));
    }
    const took = this.#parts.clock.now() - began;
    if (!this.#stopped) this.#nextBeat(Math.max(0, beatMs - took));
  }

  #sweep(): void {
    for (const [topic, listing] of this.#listings) if (listing.done) this.#listings.delete(topic);
    for (const room of this.#rooms.values()) {
      if (!room.empty) continue;
      this.#rooms.delete(room.topic);
      this.#parts.remains.erase('topic', room.topic);
    }
  }
}
