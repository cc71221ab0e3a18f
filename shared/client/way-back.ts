import type { Since } from '../protocol/subscribe.ts';
import type { Entry } from './entry.ts';
import type { Positions, Seen } from './positions.ts';
import type { Registry } from './registry.ts';

export interface Ask {
  readonly entry: Entry;
  readonly topic: { topic: string; since: Since } | string;
}

/** What a name costs in a frame besides its own characters, and a position. */
const nameBytes = 40;
const positionBytes = 80;

/**
 * What to send so that each subscription goes on where the application stands: nothing that it saw, all that it did
 * not. In one frame if it fits into what the server takes, and always in an order in which an earlier frame asks for
 * no less of a topic than a later one: the server replays a topic for the first subscription that it matches only.
 */
export function waysBack(
  entries: readonly Entry[],
  registry: Registry,
  positions: Positions,
  maxBytes: number,
): Ask[][] {
  const room = Math.floor(Math.min(maxBytes, 1024 * 1024) * 0.75);
  const named = namesOf(entries, registry, positions);
  const frames: Ask[][] = [];
  let frame: Ask[] = [];
  let used = 0;
  for (const entry of inOrder(entries, positions)) {
    const chosen = newest(named.get(entry) ?? [], room / 2);
    const cost = nameBytes + entry.name.length + chosen.length * positionBytes + textOf(chosen);
    if (frame.length > 0 && used + cost > room) {
      frames.push(frame);
      frame = [];
      used = 0;
    }
    frame.push({ entry, topic: askFor(entry, positions, chosen) });
    used += cost;
  }
  if (frame.length > 0) frames.push(frame);
  return frames;
}

type Named = [topic: string, seen: Seen];

/**
 * The positions for each pattern; not those of topics in which nothing can have come that the pattern's time would not
 * bring. Such a position still knows a repetition, but where it leads on from is not asked for, so it proves no hole.
 */
function namesOf(entries: readonly Entry[], registry: Registry, positions: Positions): Map<Entry, Named[]> {
  const named = new Map<Entry, Named[]>();
  for (const entry of entries) if (entry.pattern && entry.established) named.set(entry, []);
  if (named.size === 0) return named;
  for (const [topic, seen] of positions.all()) {
    let needed = registry.get(topic)?.established ?? false;
    for (const entry of registry.patternsOf(topic)) {
      const names = named.get(entry);
      const asked = names !== undefined && seen.ts >= entry.time;
      // A map with this key is refused by every decoder; the topic's events come again and are known for repetitions.
      if (asked && topic !== '__proto__') names.push([topic, seen]);
      needed ||= asked || (!names && entry.established);
    }
    if (!needed) seen.loose = true;
  }
  return named;
}

/** Those with no room are replayed from the pattern's time on, and what was seen of them is left out here. */
function newest(named: Named[], room: number): Named[] {
  if (named.length * positionBytes + textOf(named) <= room) return named;
  named.sort(([, a], [, b]) => b.ts - a.ts);
  let used = 0;
  const count = named.findIndex(([topic, { epoch }]) => (used += positionBytes + topic.length + epoch.length) > room);
  return count < 0 ? named : named.slice(0, count);
}

function textOf(named: readonly Named[]): number {
  let length = 0;
  for (const [topic, { epoch }] of named) length += topic.length + epoch.length;
  return length;
}

function askFor(entry: Entry, positions: Positions, named: readonly Named[]): Ask['topic'] {
  const { name } = entry;
  if (entry.pattern && entry.established) {
    const wayBack = Object.fromEntries(named.map(([topic, { seq, epoch }]) => [topic, { seq, epoch }]));
    return { topic: name, since: { positions: wayBack, time: entry.time } };
  }
  const seen = entry.established && !entry.pattern ? positions.get(name) : undefined;
  if (seen) return { topic: name, since: { seq: seen.seq, epoch: seen.epoch } };
  return entry.since === 'latest' ? name : { topic: name, since: entry.since };
}

/** By the time from which they ask for topics without a position; after them those that have one of their own. */
function inOrder(entries: readonly Entry[], positions: Positions): Entry[] {
  const begin = (entry: Entry): number => {
    if (entry.pattern) return entry.time;
    if (positions.get(entry.name)) return Number.POSITIVE_INFINITY;
    return typeof entry.since === 'object' && 'time' in entry.since ? entry.since.time : 0;
  };
  const keyed = entries.map((entry) => ({ entry, at: begin(entry) }));
  // Not by difference: that of two infinities is none.
  return keyed.sort((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at))).map(({ entry }) => entry);
}
