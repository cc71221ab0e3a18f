import type { Redis } from 'ioredis';
import type { RedisPlace } from '../../config/redis-url.ts';
import { nodeTarget, openOnce, tearDown } from './open.ts';

/** How often the map is read again: in quiet times, and for a while after something was odd. */
const everyMs = 2000;
const suspectMs = 200;
const suspicionMs = 5000;
const answerMs = 1000;

/**
 * Which node has which partition. One node is asked, and another when that one does not answer or is cut off from the
 * cluster. A node that sends a call elsewhere (MOVED) only makes the map suspect: for a moment the nodes contradict
 * each other, and whoever believed each of them would go back and forth.
 */
export class ClusterMap {
  readonly #place: RedisPlace;
  readonly #slots: readonly number[];
  readonly #owners: string[];
  readonly #listeners: ((moved: readonly number[]) => void)[] = [];
  #scout: { address: string; redis: Redis } | undefined;
  #looking = false;
  #suspectUntil = 0;
  #lastError = '';
  #next: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `slots`: that of each partition. */
  constructor(place: RedisPlace, slots: readonly number[]) {
    this.#place = place;
    this.#slots = slots;
    this.#owners = slots.map(() => '');
  }

  async start(): Promise<void> {
    if (!(await this.#look())) {
      this.stop();
      const seeds = this.#seeds().join(',');
      const says = this.#lastError && `: ${this.#lastError}`;
      throw new Error(`Redis Cluster at ${seeds} cannot be reached, is not complete, or is older than 7.0${says}`);
    }
    this.#later();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#next);
    this.#dismiss();
  }

  /** `host:port` */
  owner(partition: number): string {
    return this.#owners[partition] ?? '';
  }

  /** The partitions of each node that has any. */
  nodes(): Map<string, number[]> {
    const found = new Map<string, number[]>();
    for (const [partition, owner] of this.#owners.entries()) {
      const partitions = found.get(owner);
      if (partitions) partitions.push(partition);
      else found.set(owner, [partition]);
    }
    return found;
  }

  /** Called when partitions went to other nodes. */
  onMove(listener: (moved: readonly number[]) => void): void {
    this.#listeners.push(listener);
  }

  /** Something did not go as the map says: look again, soon and for a while. */
  suspect(): void {
    const calm = performance.now() > this.#suspectUntil;
    this.#suspectUntil = performance.now() + suspicionMs;
    if (calm && !this.#looking) this.#later(0);
  }

  #later(ms = performance.now() < this.#suspectUntil ? suspectMs : everyMs): void {
    clearTimeout(this.#next);
    if (this.#stopped) return;
    this.#next = setTimeout(() => void this.#look().then(() => this.#later()), ms);
    this.#next.unref();
  }

  async #look(): Promise<boolean> {
    this.#looking = true;
    try {
      const known = this.#owners.filter((owner) => owner !== '');
      for (const address of new Set([this.#scout?.address ?? '', ...known, ...this.#seeds()])) {
        const ranges = address === '' ? undefined : await this.#ask(address);
        if (this.#stopped) return false;
        if (ranges && this.#take(address, ranges)) return true;
      }
      return false;
    } finally {
      this.#looking = false;
    }
  }

  async #ask(address: string): Promise<SlotRange[] | undefined> {
    if (this.#scout?.address !== address) this.#dismiss();
    const redis = this.#scout?.redis ?? openOnce({ ...nodeTarget(this.#place, address), timeoutMs: answerMs });
    try {
      if (!this.#scout) {
        this.#scout = { address, redis };
        redis.on('error', (error: Error) => (this.#lastError = error.message));
        await redis.connect();
        const version = /^redis_version:(\d+)/m.exec(await redis.info('server'))?.[1];
        if (Number(version) < 7) throw new Error('no sharded channels before 7.0');
      }
      const [info, ranges] = await Promise.all([redis.cluster('INFO'), redis.cluster('SLOTS')]);
      if (/^cluster_state:ok/m.test(String(info))) return ranges as unknown as SlotRange[];
    } catch {
      // The next one is asked.
    }
    if (this.#scout?.redis === redis) this.#dismiss();
    else tearDown(redis);
    return undefined;
  }

  /** False when the answer says of no node that it has the first partition: this one is not part of a cluster. */
  #take(from: string, ranges: readonly SlotRange[]): boolean {
    const moved: number[] = [];
    for (const [partition, slot] of this.#slots.entries()) {
      const [, , master] = ranges.find(([first, last]) => first <= slot && slot <= last) ?? [];
      if (!master) continue;
      // A node that does not know its own name yet leaves it out.
      const owner = `${master[0] || from.slice(0, from.lastIndexOf(':'))}:${master[1]}`;
      if (owner === this.#owners[partition]) continue;
      this.#owners[partition] = owner;
      moved.push(partition);
    }
    if (moved.length > 0) for (const listener of this.#listeners) listener(moved);
    return !this.#owners.includes('');
  }

  #dismiss(): void {
    if (this.#scout) tearDown(this.#scout.redis);
    this.#scout = undefined;
  }

  #seeds(): string[] {
    return this.#place.addresses.map(({ host, port }) => `${host}:${port}`);
  }
}

/** first slot, last slot, master, replicas; a node is host, port, id. */
type SlotRange = [number, number, [string | null, number, string], ...unknown[]];
