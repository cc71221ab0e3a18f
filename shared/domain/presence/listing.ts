import type { Clock } from '../../base/clock.ts';
import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Leases } from '../../engine/engine.ts';
import type { PresenceMember } from '../../protocol/presence.ts';
import { Gathered } from '../gathered.ts';
import { leasesOf, readMember } from './room.ts';

/**
 * A member in the answer takes the store about 3 µs, during which nobody else is served. Asked as fast as it goes, a node
 * takes a twentieth of the store's time for it: of 10,000 members it asks every 600 ms, of 100 every 6 ms.
 */
const pauseMsAMember = 0.06;

/** All members of one topic. However many ask at once, the store is asked one at a time, and never for an older answer. */
export class Listing {
  readonly #topic: string;
  readonly #leases: Pick<Leases, 'list'>;
  readonly #clock: Clock;
  readonly #asking = new Gathered(() => this.#list());
  #notBefore = 0;

  constructor(topic: string, leases: Pick<Leases, 'list'>, clock: Clock) {
    this.#topic = topic;
    this.#leases = leases;
    this.#clock = clock;
  }

  /** Nobody waits for it, and nobody who comes now has to. */
  get done(): boolean {
    return this.#asking.idle && this.#clock.now() >= this.#notBefore;
  }

  /** Those who were there first come first. */
  ask(): Promise<Result<readonly PresenceMember[]>> {
    return this.#asking.ask();
  }

  async #list(): Promise<Result<readonly PresenceMember[]>> {
    const wait = this.#notBefore - this.#clock.now();
    if (wait > 0) await new Promise<void>((resolve) => this.#clock.later(wait, resolve));
    const held = await this.#leases.list(leasesOf(this.#topic));
    if (!held.ok) return held;
    this.#notBefore = this.#clock.now() + held.value.length * pauseMsAMember;
    const members = held.value.map((holder) => {
      const { connection, identity, since } = readMember(holder);
      return { connection, identity, since };
    });
    return ok(members.sort((a, b) => a.since - b.since || (a.connection < b.connection ? -1 : 1)));
  }
}
