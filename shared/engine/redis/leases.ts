import { ok, type Result } from '../../base/errors.ts';
import type { LeaseHolder, Leases } from '../engine.ts';
import type { CommandConnection } from './connections.ts';
import type { Keys } from './keys.ts';
import { dropScript, holdScript, listScript, reapedAtOnce, reapScript } from './scripts/leases.ts';

type Call = (args: string[]) => Promise<unknown>;

/** Leases by the server's clock. A group lives in one partition, so each call is one script. */
export class RedisLeases implements Leases {
  readonly #connection: CommandConnection;
  readonly #keys: Keys;
  readonly #hold: Call;
  readonly #drop: Call;
  readonly #list: Call;
  readonly #reap: Call;

  constructor(connection: CommandConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
    this.#hold = connection.define(holdScript);
    this.#drop = connection.define(dropScript);
    this.#list = connection.define(listScript);
    this.#reap = connection.define(reapScript);
  }

  async hold(
    group: string,
    members: readonly { member: string; value: string }[],
    ttlMs: number,
  ): Promise<Result<{ joined: string[] }>> {
    const args = members.flatMap(({ member, value }) => [member, value]);
    const answer = await this.#run(this.#hold, group, [String(ttlMs), ...args]);
    return answer.ok ? ok({ joined: answer.value }) : answer;
  }

  async drop(group: string, members: readonly string[]): Promise<Result<{ left: string[] }>> {
    const answer = await this.#run(this.#drop, group, members);
    return answer.ok ? ok({ left: answer.value }) : answer;
  }

  async list(group: string): Promise<Result<LeaseHolder[]>> {
    return holders(await this.#run(this.#list, group, []));
  }

  async reap(group: string): Promise<Result<LeaseHolder[]>> {
    const gone: LeaseHolder[] = [];
    for (;;) {
      const some = holders(await this.#run(this.#reap, group, []));
      // Those of an earlier round are out already and are given to nobody else: they must not be lost with this one.
      if (!some.ok) return gone.length > 0 ? ok(gone) : some;
      gone.push(...some.value);
      if (some.value.length < reapedAtOnce) return ok(gone);
    }
  }

  #run(call: Call, group: string, args: readonly string[]): Promise<Result<string[]>> {
    const keys = ['2', this.#keys.leaseExpiries(group), this.#keys.leaseValues(group)];
    return this.#connection.attempt(() => call([...keys, ...args]) as Promise<string[]>);
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
