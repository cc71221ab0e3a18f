import type { Crowd } from './profiles.ts';

/** Loads with subscribers. What each client of one listens to follows from its number, so that publishers can tell how many hear them. */
export const listeningLoads = ['fanout', 'wildcard', 'reconnect-storm'] as const;
export type ListeningLoad = (typeof listeningLoads)[number];

export function topicsOf(load: ListeningLoad, run: string, topics: number): string[] {
  const kind = (index: number): string => (load === 'wildcard' ? (index % 2 === 0 ? '.status' : '.logs') : '');
  return Array.from({ length: topics }, (_, index) => `load.${run}.${load}.${index}${kind(index)}`);
}

export interface Listener {
  /** As it stands in a subscribe request. */
  readonly subscriptions: readonly string[];
  /** The topics that they match. */
  readonly topics: readonly string[];
}

/** A client's number counts the clients of its format, whichever user it is of. */
export function listener(load: ListeningLoad, run: string, topics: readonly string[], client: number): Listener {
  if (load === 'wildcard') return wildcardListener(run, topics, client);
  if (load === 'fanout') return { subscriptions: topics, topics };
  // Two topics each: a client that comes back has more than one position.
  const own = [...new Set([client, client + 1].map((index) => topics[index % topics.length]!))];
  return { subscriptions: own, topics: own };
}

/** A third hears one pattern, a third the other, and a third both, which match the same events, and each event comes once. */
function wildcardListener(run: string, topics: readonly string[], client: number): Listener {
  const some = `load.${run}.wildcard.*.status`;
  const all = `load.${run}.wildcard.#`;
  if (client % 3 === 0) return { subscriptions: [some], topics: topics.filter((topic) => topic.endsWith('.status')) };
  return { subscriptions: client % 3 === 1 ? [all] : [some, all], topics };
}

/** How many clients of all formats hear each topic. */
export function audiences(
  load: ListeningLoad,
  run: string,
  topics: readonly string[],
  { users, connections }: Crowd,
  formats: number,
): Map<string, number> {
  const heard = new Map(topics.map((topic) => [topic, 0]));
  for (let client = 0; client < users * connections; client++) {
    for (const topic of listener(load, run, topics, client).topics) heard.set(topic, heard.get(topic)! + formats);
  }
  return heard;
}
