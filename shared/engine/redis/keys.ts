const slots = 16_384;

/**
 * Every name that the engine uses in Redis. What must change together carries the hash tag of one partition, so that a
 * script stays within one slot of a cluster. The number of partitions is part of the data: changing it loses every topic.
 *
 * The letter behind the prefix says the kind: m meta, s stream, d remembered message ids, i index of a partition,
 * r record, k ranked list, e and v leases, n counter, q queue; and for channels: c topic, p all topics, o one process, g signal.
 */
export class Keys {
  readonly partitions: number;
  readonly #prefix: string;
  readonly #tags: readonly string[];
  readonly #sharded: boolean;
  readonly #partitions = new Map<string, number>();

  /** `sharded`: on a cluster, where a channel has to be of the slot that publishes. */
  constructor(prefix: string, partitions: number, sharded: boolean) {
    this.#sharded = sharded;
    this.partitions = partitions;
    this.#prefix = prefix;
    this.#tags = spreadTags(partitions).map((tag) => `{${tag}}:`);
    for (const [partition, tag] of this.#tags.entries()) this.#partitions.set(tag, partition);
  }

  /** FNV-1a: short, without a table, and even enough over names that differ in a digit only. */
  partitionOf(home: string): number {
    let hash = 0x811c9dc5;
    for (let i = 0; i < home.length; i++) hash = Math.imul(hash ^ home.charCodeAt(i), 0x01000193);
    return (hash >>> 0) % this.partitions;
  }

  meta(partition: number, topic: string): string {
    return this.#name('m', partition, topic);
  }

  stream(partition: number, topic: string): string {
    return this.#name('s', partition, topic);
  }

  /** Two buckets of time that take turns; see the append script. */
  remembered(partition: number, topic: string, bucket: 0 | 1): string {
    return this.#name('d', partition, `${bucket}:${topic}`);
  }

  index(partition: number): string {
    return this.#name('i', partition, '');
  }

  record(partition: number, home: string, key: string): string {
    return this.#name('r', partition, within(home, key));
  }

  rankedList(partition: number, home: string, list: string): string {
    return this.#name('k', partition, within(home, list));
  }

  leaseExpiries(group: string): string {
    return this.#name('e', this.partitionOf(group), group);
  }

  leaseValues(group: string): string {
    return this.#name('v', this.partitionOf(group), group);
  }

  counter(name: string): string {
    return this.#name('n', this.partitionOf(name), name);
  }

  /** BullMQ appends the queue's name, and what it keeps there. */
  queue(name: string): string {
    return this.#name('q', this.partitionOf(name), '').slice(0, -1);
  }

  /** The topic's name is appended to it. */
  topicChannels(partition: number): string {
    return this.#name('c', partition, '');
  }

  /**
   * Where whoever takes all topics listens. One server has one such channel: a call of the append script that touches
   * forty partitions publishes once there, and whoever takes one takes all of them anyway.
   */
  wholeChannel(partition: number): string {
    return this.#sharded ? this.#name('p', partition, '') : `${this.#prefix}:p:all`;
  }

  /** All of those. */
  wholeChannels(): string[] {
    if (!this.#sharded) return [this.wholeChannel(0)];
    return Array.from({ length: this.partitions }, (_, partition) => this.wholeChannel(partition));
  }

  ownChannel(partition: number, id: string): string {
    return this.#name('o', partition, id);
  }

  signalChannel(name: string): string {
    return this.#name('g', this.partitionOf(name), name);
  }

  /** Where the partition is in a cluster. */
  slotOf(partition: number): number {
    return crc16(this.#tags[partition]?.slice(1, -2) ?? '') % slots;
  }

  /** Of any key or channel that carries the tag of one. */
  partitionIn(name: string): number {
    const start = this.#prefix.length + 3;
    return this.#partitions.get(name.slice(start, name.indexOf('}', start) + 2)) ?? 0;
  }

  /** Where a channel's name shows its kind; one byte decides, because it is asked for every message. */
  get kindAt(): number {
    return Buffer.byteLength(this.#prefix) + 1;
  }

  #name(kind: string, partition: number, rest: string): string {
    return `${this.#prefix}:${kind}:${this.#tags[partition] ?? ''}${rest}`;
  }
}

/** Two homes of one partition must not share a key, whatever characters their names hold. */
function within(home: string, key: string): string {
  return `${home.length}:${home}:${key}`;
}

/** For partition i the shortest tag that falls into the i-th of P equal stretches of slots, so that nodes share evenly. */
function spreadTags(partitions: number): string[] {
  const tags: string[] = [];
  let missing = partitions;
  for (let n = 0; missing > 0; n++) {
    const tag = n.toString(36);
    const stretch = Math.floor(((crc16(tag) % slots) * partitions) / slots);
    if (tags[stretch] !== undefined) continue;
    tags[stretch] = tag;
    missing--;
  }
  return tags;
}

/** The CRC that Redis Cluster takes slots from (XMODEM); runs when an engine is made. */
function crc16(text: string): number {
  let crc = 0;
  for (let i = 0; i < text.length; i++) {
    crc ^= text.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
