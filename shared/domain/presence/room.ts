import type { Clock } from '../../base/clock.ts';
import type { LeaseHolder, Leases } from '../../engine/engine.ts';
import { Gathered, portions } from '../gathered.ts';
import type { Remains } from '../remains.ts';
import type { PresenceNews, Span } from './presence-news.ts';

export const beatMs = 2000;
const leaseMs = 3 * beatMs;
/** In one call of the store, which nobody else's call can come between: about 2 ms. */
const atOnce = 500;
/** Who ran out longer ago was told of by others, and the store may not know that any more. */
export const toldMs = 100_000;

export interface RoomParts {
  readonly leases: Leases;
  readonly clock: Clock;
  readonly remains: Pick<Remains, 'note' | 'erase'>;
  readonly news: PresenceNews;
  readonly nextSpan: () => number;
}

interface Member {
  readonly connection: string;
  readonly identity: string;
  readonly since: number;
  span: number;
  /** Its lease is known to have been taken, and its join told. */
  held: boolean;
}

/** The members that one topic has at this node. One change of them at a time, each with all that came meanwhile. */
export class Room {
  readonly topic: string;
  readonly #parts: RoomParts;
  readonly #members = new Map<string, Member>();
  /** Those whose leases are to be taken. */
  readonly #joining = new Set<Member>();
  /** And given up. */
  #leaving: Member[] = [];
  readonly #changing = new Gathered(() => this.#change());
  #renewing = false;
  #renewedAt: number;

  constructor(topic: string, parts: RoomParts) {
    this.topic = topic;
    this.#parts = parts;
    this.#renewedAt = parts.clock.now();
  }

  get empty(): boolean {
    return this.#members.size === 0 && this.#leaving.length === 0 && this.#changing.idle;
  }

  /** Resolves when it was tried. Where the store is away it is tried again with each beat. */
  async join(connection: string, identity: string, since: number): Promise<void> {
    if (this.#members.has(connection)) return;
    const member = { connection, identity, since, span: this.#parts.nextSpan(), held: false };
    this.#members.set(connection, member);
    this.#joining.add(member);
    await this.#changing.ask();
  }

  async leave(connection: string): Promise<void> {
    const member = this.#members.get(connection);
    if (!member) return;
    this.#members.delete(connection);
    this.#joining.delete(member);
    this.#leaving.push(member);
    await this.#changing.ask();
  }

  async leaveAll(): Promise<void> {
    await Promise.all([...this.#members.keys()].map((connection) => this.leave(connection)));
  }

  async renew(): Promise<void> {
    this.#renewing = true;
    await this.#changing.ask();
  }

  async #change(): Promise<void> {
    const renewing = this.#renewing;
    this.#renewing = false;
    const leaving = this.#leaving;
    this.#leaving = [];
    // First, since who comes back has the same lease: it is not taken before it is known to be given up.
    for (const some of portions(leaving, atOnce)) await this.#drop(some);
    const kept = new Set(this.#leaving.map(({ connection }) => connection));
    const due = renewing ? this.#members.values() : this.#joining;
    const held = await this.#hold([...due].filter(({ connection }) => !kept.has(connection)));
    if (renewing && held) this.#renewedAt = this.#parts.clock.now();
  }

  /** False: not all of them. */
  async #hold(due: readonly Member[]): Promise<boolean> {
    const { leases, remains } = this.#parts;
    if (due.length === 0) return true;
    const noted = await remains.note('topic', this.topic);
    if (!noted.ok) return false;
    let whole = true;
    for (const some of portions(due, atOnce)) {
      const members = some.map((member) => ({ member: member.connection, value: written(member) }));
      const held = await leases.hold(leasesOf(this.topic), members, leaseMs);
      if (held.ok) this.#heldNow(some, new Set(held.value.joined));
      else this.#unsure(some);
      whole &&= held.ok;
    }
    return whole;
  }

  /** What was taken perhaps may run out and be told of, so the next try is somebody new. */
  #unsure(members: readonly Member[]): void {
    for (const member of members) if (!member.held) member.span = this.#parts.nextSpan();
  }

  #heldNow(members: readonly Member[], joined: ReadonlySet<string>): void {
    const { news, nextSpan, clock } = this.#parts;
    for (const member of members) {
      if (!member.held) {
        member.held = true;
        this.#joining.delete(member);
        news.tell(this.topic, 'joined', member);
      } else if (joined.has(member.connection)) {
        // Its lease had run out: it left, whether or not somebody noticed, and is somebody new.
        if (clock.now() - this.#renewedAt < toldMs) news.tell(this.topic, 'left', member);
        member.span = nextSpan();
        member.held = false;
        // It may have been given up meanwhile.
        if (this.#members.get(member.connection) !== member) continue;
        this.#joining.add(member);
        void this.#changing.ask();
      }
    }
  }

  /** One that has run out meanwhile is told of here, and by whoever takes it out; it stands there once. */
  async #drop(members: readonly Member[]): Promise<void> {
    const { leases, news } = this.#parts;
    const names = members.map(({ connection }) => connection);
    const dropped = await leases.drop(leasesOf(this.topic), names);
    if (!dropped.ok) this.#leaving.push(...members);
    else for (const member of members) if (member.held) news.tell(this.topic, 'left', member);
  }
}

export function leasesOf(topic: string): string {
  return `presence.${topic}`;
}

/** As its lease says it. */
interface Written extends Span {
  /** Its join may not have been told yet. */
  readonly fresh: boolean;
}

function written({ identity, since, span, held }: Member): string {
  return JSON.stringify({ identity, since, span, ...(held ? {} : { fresh: true }) });
}

export function readMember({ member, value }: LeaseHolder): Written {
  return { fresh: false, ...(JSON.parse(value) as Omit<Span, 'connection'>), connection: member };
}
