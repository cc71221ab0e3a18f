import { PatternTrie } from '../topics/trie.ts';
import type { Entry } from './entry.ts';

/** The subscriptions by name and by what they match. */
export class Registry {
  readonly #byName = new Map<string, Entry>();
  readonly #patterns = new PatternTrie<Entry>();

  get size(): number {
    return this.#byName.size;
  }

  get hasPatterns(): boolean {
    return this.#patterns.size > 0;
  }

  get(name: string): Entry | undefined {
    return this.#byName.get(name);
  }

  all(): Iterable<Entry> {
    return this.#byName.values();
  }

  add(entry: Entry): void {
    this.#byName.set(entry.name, entry);
    if (entry.pattern) this.#patterns.add(entry.name, entry);
  }

  remove(entry: Entry): void {
    this.#byName.delete(entry.name);
    if (entry.pattern) this.#patterns.remove(entry.name);
  }

  patternsOf(topic: string): Entry[] {
    return this.#patterns.match(topic);
  }

  /** The topic's own first, then the patterns that match it. */
  match(topic: string): Entry[] {
    const entries = this.#patterns.match(topic);
    const own = this.#byName.get(topic);
    if (own) entries.unshift(own);
    return entries;
  }

  /** Does a subscription that the server has had match it: is what was seen of the topic worth remembering? */
  covers(topic: string): boolean {
    if (this.#byName.get(topic)?.established) return true;
    return this.#patterns.match(topic).some((entry) => entry.established);
  }
}
