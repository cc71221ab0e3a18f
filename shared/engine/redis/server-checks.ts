import type { ServerInfo } from './connections.ts';
import type { Store } from './store.ts';

/** Another server at the same address (a restart, a failover) means that nothing known of the live events holds. */
export class ServerIdentity {
  readonly #warn: (message: string) => void;
  readonly #changed: () => void;
  readonly #runIds = new Map<string, string>();

  constructor(warn: (message: string) => void, changed: () => void) {
    this.#warn = warn;
    this.#changed = changed;
  }

  met(where: string, { runId, version }: ServerInfo): void {
    const before = this.#runIds.get(where);
    if (before === undefined && !atLeast62(version))
      this.#warn(`Redis ${version} is older than 6.2, the oldest supported`);
    if (before !== undefined && before !== runId) this.#changed();
    this.#runIds.set(where, runId);
  }
}

function atLeast62(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 2);
}

/** BullMQ and the streams need `noeviction`. */
export async function warnOfEviction(store: Store, warn: (message: string) => void): Promise<void> {
  const answer = await store.everywhere((redis) => redis.config('GET', 'maxmemory-policy'));
  const policies = answer.ok ? answer.value.map((policy) => (policy as string[])[1]) : [undefined];
  for (const policy of new Set(policies)) {
    if (policy === undefined) warn('Redis does not tell its maxmemory-policy; it must be noeviction');
    else if (policy !== 'noeviction') {
      warn(`Redis has maxmemory-policy ${policy}: with anything but noeviction it may throw away topics and runs`);
    }
  }
}
