import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { LeaseHolder, Leases, Reaped } from '../engine.ts';
import { Recency } from './recency.ts';
import type { Linked } from './recency.ts';
import { mostPerSweep } from './store-time.ts';

/** So long whoever was given one that ran out has it for itself. */
const handedMs = 5000;

interface Lease extends LeaseHolder {
  endsAt: number;
  /** When it was given out first, after it ran out. */
  givenAt?: number;
}

interface Group extends Linked<Group> {
  readonly name: string;
  readonly leases: Map<string, Lease>;
  heldAt: number;
}

/**
 * A lease that ran out stays until somebody reaps it: that somebody announces that the member left. Groups in which
 * nobody has held anything for `forgetMs` go as a whole, so that one without a reaper is not kept for ever.
 */
export class MemoryLeases implements Leases {
  readonly #now: () => number;
  readonly #forgetMs: number;
  readonly #groups = new Map<string, Group>();
  readonly #order = new Recency<Group>();

  constructor(forgetMs: number, now: () => number) {
    this.#now = now;
    this.#forgetMs = forgetMs;
  }

  hold(
    name: string,
    members: readonly { member: string; value: string }[],
    ttlMs: number,
  ): Promise<Result<{ joined: string[] }>> {
    const now = this.#now();
    const joined: string[] = [];
    if (members.length === 0) return Promise.resolve(ok({ joined }));
    const group = this.#groupFor(name, now);
    for (const { member, value } of members) {
      const lease = group.leases.get(member);
      const held = lease !== undefined && lease.endsAt > now;
      if (!held) joined.push(member);
      group.leases.set(member, { member, value, since: held ? lease.since : now, endsAt: now + ttlMs });
    }
    return Promise.resolve(ok({ joined }));
  }

  drop(name: string, members: readonly string[]): Promise<Result<{ left: string[] }>> {
    const now = this.#now();
    const group = this.#groups.get(name);
    const left: string[] = [];
    for (const member of members) {
      const lease = group?.leases.get(member);
      // One that ran out is left to the reaper, or its end would be announced by nobody.
      if (!group || !lease || lease.endsAt <= now) continue;
      group.leases.delete(member);
      left.push(member);
    }
    this.#tidy(group);
    return Promise.resolve(ok({ left }));
  }

  list(name: string): Promise<Result<LeaseHolder[]>> {
    const now = this.#now();
    const holders: LeaseHolder[] = [];
    for (const lease of this.#groups.get(name)?.leases.values() ?? []) {
      if (lease.endsAt > now) holders.push(holderOf(lease));
    }
    return Promise.resolve(ok(holders));
  }

  reap(name: string): Promise<Result<{ gone: Reaped[]; rest: boolean }>> {
    const now = this.#now();
    const gone: Reaped[] = [];
    let rest = false;
    for (const lease of this.#groups.get(name)?.leases.values() ?? []) {
      if (lease.endsAt > now) continue;
      const givenMs = now - (lease.givenAt ?? now);
      if (lease.givenAt !== undefined && givenMs < handedMs) {
        rest = true;
        continue;
      }
      lease.givenAt ??= now;
      gone.push({ ...holderOf(lease), givenMs });
    }
    return Promise.resolve(ok({ gone, rest }));
  }

  forget(name: string, holders: readonly { member: string; value: string }[], only?: 'ended'): Promise<Result<void>> {
    const now = this.#now();
    const group = this.#groups.get(name);
    for (const { member, value } of holders) {
      const lease = group?.leases.get(member);
      if (!group || lease?.value !== value || (only && lease.endsAt > now)) continue;
      group.leases.delete(member);
    }
    this.#tidy(group);
    return Promise.resolve(ok(undefined));
  }

  /** True when there is more to do than fits into one sweep. */
  sweep(now: number): boolean {
    const tooLongAgo = now - this.#forgetMs;
    let left = mostPerSweep;
    for (let group = this.#order.oldest; group && group.heldAt <= tooLongAgo && left > 0; left--) {
      this.#forget(group);
      group = this.#order.oldest;
    }
    return left === 0;
  }

  #groupFor(name: string, now: number): Group {
    let group = this.#groups.get(name);
    if (group) {
      this.#order.touch(group);
    } else {
      group = { name, leases: new Map(), heldAt: now, older: undefined, newer: undefined };
      this.#groups.set(name, group);
      this.#order.add(group);
    }
    group.heldAt = now;
    return group;
  }

  #tidy(group: Group | undefined): void {
    if (group?.leases.size === 0) this.#forget(group);
  }

  #forget(group: Group): void {
    this.#order.remove(group);
    this.#groups.delete(group.name);
  }
}

function holderOf({ member, value, since }: Lease): LeaseHolder {
  return { member, value, since };
}
