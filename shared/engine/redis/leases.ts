import { ok, type Result } from '../../base/errors.ts';
import type { LeaseHolder, Leases, Reaped } from '../engine.ts';
import type { Keys } from './keys.ts';
import { dropScript, forgetScript, holdScript, listScript, reapScript } from './scripts/leases.ts';
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
    const answer = await this.#run(listScript, group, []);
    return answer.ok ? ok(inParts(answer.value, 3).map(holderOf)) : answer;
  }

  async reap(group: string): Promise<Result<{ gone: Reaped[]; rest: boolean }>> {
    const answer = await this.#run(reapScript, group, []);
    if (!answer.ok) return answer;
    const [rest, ...all] = answer.value;
    const gone = inParts(all, 4).map((part) => ({ ...holderOf(part), givenMs: Number(part[3]) }));
    return ok({ gone, rest: rest === '1' });
  }

  async forget(
    group: string,
    holders: readonly { member: string; value: string }[],
    only?: 'ended',
  ): Promise<Result<void>> {
    if (holders.length === 0) return ok(undefined);
    const args = holders.flatMap(({ member, value }) => [member, value]);
    const answer = await this.#run(forgetScript, group, [only ?? '', ...args]);
    return answer.ok ? ok(undefined) : answer;
  }

  #run(script: RedisScript, group: string, args: readonly string[]): Promise<Result<string[]>> {
    const all = ['2', this.#keys.leaseExpiries(group), this.#keys.leaseValues(group), ...args];
    return this.#store.run(
      this.#keys.partitionOf(group),
      (redis, asking) => callScript(redis, script, all, asking) as Promise<string[]>,
    );
  }
}

function inParts(answer: readonly string[], size: number): string[][] {
  return Array.from({ length: answer.length / size }, (_, i) => answer.slice(i * size, (i + 1) * size));
}

function holderOf([member = '', since, value = '']: readonly string[]): LeaseHolder {
  return { member, value, since: Number(since) };
}
