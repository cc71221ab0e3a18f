import type { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail, ok, type Result } from '../../base/errors.ts';
import type { RedisPlace } from '../../config/redis-url.ts';
import type { ClusterMap } from './cluster-map.ts';
import { CommandConnection, type CommandHooks, type Work } from './connections.ts';
import { nodeTarget } from './open.ts';
import type { Store } from './store.ts';

/** How long it may take to find the node that takes a call: slots move, and a new connection has to be made. */
const patienceMs = 1000;
const pauseMs = 25;
/** Longer than any call takes that is still under way on a node which has lost its last partition. */
const lingerMs = 10_000;

/**
 * A connection to each master of a Redis Cluster. A call is sent again only after an answer which proves that nothing
 * happened: MOVED, ASK, TRYAGAIN and CLUSTERDOWN are given before a script begins. A lost connection proves nothing.
 */
export class ClusterStore implements Store {
  readonly sharded = true;
  readonly #place: RedisPlace;
  readonly #map: ClusterMap;
  readonly #hooks: CommandHooks;
  readonly #nodes = new Map<string, CommandConnection>();
  readonly #leaving = new Map<string, NodeJS.Timeout>();
  #stopped = false;

  constructor(place: RedisPlace, map: ClusterMap, hooks: CommandHooks) {
    this.#place = place;
    this.#map = map;
    this.#hooks = { ...hooks, lost: () => map.suspect() };
  }

  /** The map was started before. */
  async start(): Promise<void> {
    this.#map.onMove(() => this.#follow());
    const nodes = [...this.#map.nodes().keys()].map((address) => this.#make(address));
    await Promise.all(nodes.map((node) => node.start()));
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    for (const node of this.#nodes.values()) node.stop();
    this.#nodes.clear();
  }

  ready(): boolean {
    for (const address of this.#map.nodes().keys()) if (!this.#nodes.get(address)?.ready()) return false;
    return true;
  }

  async run<T>(partition: number, work: Work<T>): Promise<Result<T>> {
    const until = performance.now() + patienceMs;
    let address = this.#map.owner(partition);
    let asking = false;
    for (let tries = 1; ; tries++) {
      let refusal = 'connecting';
      const node = this.#node(address);
      if (node.ready()) {
        refusal = '';
        const result = await node.attempt(work, asking, (message) => (refusal = message));
        if (refusal === '') return result;
        this.#map.suspect();
      } else if (node.met()) {
        return fail('unavailable');
      }
      const elsewhere = /^(MOVED|ASK) \d+ (.*)$/.exec(refusal);
      if (performance.now() > until || !(elsewhere || /^(connecting|TRYAGAIN|CLUSTERDOWN)/.test(refusal))) {
        return this.#hooks.refused(address, refusal);
      }
      asking = elsewhere?.[1] === 'ASK';
      if (elsewhere) address = withHost(elsewhere[2] ?? '', address);
      // Nodes that contradict each other would send a call round in circles.
      if (!elsewhere || tries > 2) await sleep(pauseMs);
      if (!elsewhere && refusal !== 'connecting') address = this.#map.owner(partition);
    }
  }

  async everywhere<T>(work: (redis: Redis, partitions: readonly number[]) => Promise<T>): Promise<Result<T[]>> {
    const until = performance.now() + patienceMs;
    for (;;) {
      let refusal = '';
      const parts = [...this.#map.nodes()].map(([address, partitions]) => {
        const node = this.#node(address);
        if (!node.ready() && !node.met()) refusal = 'connecting';
        return node.attempt(
          (redis) => work(redis, partitions),
          false,
          (message) => (refusal = message),
        );
      });
      const values: T[] = [];
      for (const part of await Promise.all(parts)) if (part.ok) values.push(part.value);
      if (values.length === parts.length) return ok(values);
      if (refusal === '' || performance.now() > until) return fail('unavailable');
      this.#map.suspect();
      await sleep(pauseMs);
    }
  }

  /** A node that a call was sent on to may not be on the map yet. */
  #node(address: string): CommandConnection {
    const known = this.#nodes.get(address);
    if (known) return known;
    const node = this.#make(address);
    if (!this.#stopped) node.begin();
    return node;
  }

  #make(address: string): CommandConnection {
    const node = new CommandConnection(nodeTarget(this.#place, address), this.#hooks);
    this.#nodes.set(address, node);
    return node;
  }

  #follow(): void {
    const owners = this.#map.nodes();
    for (const address of owners.keys()) {
      clearTimeout(this.#leaving.get(address));
      this.#leaving.delete(address);
      this.#node(address);
    }
    for (const address of this.#nodes.keys()) {
      if (owners.has(address) || this.#leaving.has(address)) continue;
      this.#leaving.set(address, setTimeout(() => this.#leave(address), lingerMs).unref());
    }
  }

  #leave(address: string): void {
    this.#leaving.delete(address);
    this.#nodes.get(address)?.stop();
    this.#nodes.delete(address);
  }
}

/** `MOVED 1 :7001` means the host that said so. */
function withHost(address: string, from: string): string {
  return address.startsWith(':') ? from.slice(0, from.lastIndexOf(':')) + address : address;
}
