import { ok, type Result } from '../../base/errors.ts';
import type { LeaseHolder, Leases } from '../engine.ts';
import type { Keys } from './keys.ts';
import { dropScript, holdScript, listScript, reapedAtOnce, reapScript } from './scripts/leases.ts';
import { callScript, type RedisScript } from './scripts/script.ts';
import type { Store } from './store.ts';

/** Leases by the server's clock. A group lives in one partition, so each call is one script. */
export class RedisLeases implements Leases {
  readonly #store: Store;
  readonly #keys: Keys;

  constructor(store: Store, keys: Keys) {
    this.#store = store;
    this.#keys = keys;
  }

  async hold(
    group: string,
    members: readonly { member: string; value: string }[],
    ttlMs: number,
  ): Promise<Result<{ joined: string[] }>> {
    const args = members.flatMap(({ member, value }) => [member, value]);
    const answer = await this.#run(holdScript, group, [String(ttlMs), ...args]);
    return answer.ok ? ok({ joined: answer.value }) : answer;
  }

  async drop(group: string, members: readonly string[]): Promise<Result<{ left: string[] }>> {
    const answer = await this.#run(dropScript, group, members);
    return answer.ok ? ok({ left: answer.value }) : answer;
  }

  async list(group: string): Promise<Result<LeaseHolder[]>> {
    return holders(await this.#run(listScript, group, []));
  }

  async reap(group: string): Promise<Result<LeaseHolder[]>> {
    const gone: LeaseHolder[] = [];
    for (;;) {
      const some = holders(await this.#run(reapScript, group, []));
      // Those of an earlier round are out already and are given to nobody else: they must not be lost with this one.
      if (!some.ok) return gone.length > 0 ? ok(gone) : some;
      gone.push(...some.value);
      if (some.value.length < reapedAtOnce) return ok(gone);
    }
  }

  #run(script: RedisScript, group: string, args: readonly string[]): Promise<Result<string[]>> {
    const all = ['2', this.#keys.leaseExpiries(group), this.#keys.leaseValues(group), ...args];
    return this.#store.run(
      this.#keys.partitionOf(group),
      (redis, asking) => callScript(redis, script, all, asking) as Promise<string[]>,
    );
  }
}

function holders(answer: Result<string[]>): Result<LeaseHolder[]> {
  if (!answer.ok) return answer;
  const found: LeaseHolder[] = [];
  for (let i = 0; i + 2 < answer.value.length; i += 3) {
    const [member = '', since, value = ''] = answer.value.slice(i, i + 3);
    found.push({ member, value, since: Number(since) });
  }
  return ok(found);
}
