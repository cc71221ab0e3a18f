import { shortId } from '../../base/ids.ts';
import type { RedisPlace } from '../../config/redis-url.ts';
import type { ChannelHooks, Channels } from './channels.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { Keys } from './keys.ts';
import { nodeTarget } from './open.ts';
import { Subscriber } from './subscriber.ts';

/**
 * Channels of a Redis Cluster: a connection to each master that has partitions, with the channels of these. When a
 * partition goes to another node its channels follow, and the connection that had them is remade without them, so that
 * nothing old comes behind something new.
 */
export class ClusterSubscriber implements Channels {
  readonly #place: RedisPlace;
  readonly #map: ClusterMap;
  readonly #keys: Keys;
  readonly #hooks: ChannelHooks;
  readonly #nodes = new Map<string, Subscriber>();
  /** By partition. */
  readonly #wanted: readonly Set<string>[];
  #owners: string[] = [];
  #phase = false;

  constructor(place: RedisPlace, map: ClusterMap, keys: Keys, hooks: ChannelHooks) {
    this.#place = place;
    this.#map = map;
    this.#keys = keys;
    this.#hooks = hooks;
    this.#wanted = Array.from({ length: keys.partitions }, () => new Set<string>());
  }

  /** The map was started before. */
  async start(): Promise<void> {
    this.#owners = this.#wanted.map((_, partition) => this.#map.owner(partition));
    this.#map.onMove((moved) => this.#follow(moved));
    await Promise.all([...new Set(this.#owners)].map((address) => this.#make(address).start()));
  }

  stop(): void {
    for (const node of this.#nodes.values()) node.stop();
    this.#nodes.clear();
  }

  ready(): boolean {
    for (const node of this.#nodes.values()) if (!node.ready()) return false;
    return true;
  }

  async add(channels: readonly string[]): Promise<boolean> {
    for (const channel of channels) this.#wanted[this.#keys.partitionIn(channel)]?.add(channel);
    const added = [...this.#byNode(channels)].map(
      ([address, names]) => this.#nodes.get(address)?.add(names) ?? Promise.resolve(false),
    );
    return (await Promise.all(added)).every(Boolean);
  }

  remove(channels: readonly string[]): void {
    for (const channel of channels) this.#wanted[this.#keys.partitionIn(channel)]?.delete(channel);
    for (const [address, names] of this.#byNode(channels)) this.#nodes.get(address)?.remove(names);
  }

  async mark(phase: boolean): Promise<boolean> {
    const asked = new Set(this.#nodes.values());
    const passed = await Promise.all([...asked].map((node) => node.mark(phase)));
    if (!passed.every(Boolean)) return false;
    // One that came meanwhile is still in the phase before, and says `restored` when it is there.
    for (const node of this.#nodes.values()) if (!asked.has(node)) return false;
    this.#phase = phase;
    return true;
  }

  #follow(moved: readonly number[]): void {
    const losers = new Set<string>();
    const gained = new Map<string, string[]>();
    for (const partition of moved) {
      const owner = this.#map.owner(partition);
      losers.add(this.#owners[partition] ?? '');
      this.#owners[partition] = owner;
      gained.set(owner, [...(gained.get(owner) ?? []), ...(this.#wanted[partition] ?? [])]);
    }
    for (const address of losers) this.#lose(address);
    for (const [address, channels] of gained) {
      const node = this.#nodes.get(address);
      if (!node) this.#make(address).begin(channels);
      else if (channels.length > 0) void node.add(channels).then((added) => added && this.#hooks.restored());
    }
  }

  #lose(address: string): void {
    const node = this.#nodes.get(address);
    if (this.#owners.includes(address)) {
      node?.keepOnly((channel) => this.#owners[this.#keys.partitionIn(channel)] === address);
    } else {
      node?.stop();
      this.#nodes.delete(address);
    }
  }

  #make(address: string): Subscriber {
    const own = (): string => this.#keys.ownChannel(Math.max(0, this.#owners.indexOf(address)), shortId());
    const hooks = { ...this.#hooks, lost: () => this.#map.suspect() };
    const node = new Subscriber(nodeTarget(this.#place, address), own, hooks, this.#phase);
    this.#nodes.set(address, node);
    return node;
  }

  #byNode(channels: readonly string[]): Map<string, string[]> {
    const found = new Map<string, string[]>();
    for (const channel of channels) {
      const owner = this.#owners[this.#keys.partitionIn(channel)] ?? '';
      const names = found.get(owner);
      if (names) names.push(channel);
      else found.set(owner, [channel]);
    }
    return found;
  }
}
