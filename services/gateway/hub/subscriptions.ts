import { PatternTrie } from '../../../shared/topics/trie.ts';
import { Subscription } from './subscriber.ts';

const none: readonly Subscription[] = [];
const routesKept = 100_000;

/** The subscriptions of this node, and which of them an event of a topic goes to. */
export class Subscriptions {
  readonly #byName = new Map<string, Subscription>();
  readonly #patterns = new PatternTrie<Subscription>();
  readonly #routes = new Map<string, readonly Subscription[]>();
  /** Without those of topics that only this node has. */
  #storePatterns = 0;

  get size(): number {
    return this.#byName.size;
  }

  /** Patterns for which the node has to take every topic of the store. */
  get hasPatterns(): boolean {
    return this.#storePatterns > 0;
  }

  get(name: string): Subscription | undefined {
    return this.#byName.get(name);
  }

  hold(name: string): Subscription {
    let subscription = this.#byName.get(name);
    if (!subscription) {
      subscription = new Subscription(name);
      this.#byName.set(name, subscription);
      if (subscription.pattern) {
        this.#patterns.add(name, subscription);
        if (!subscription.local) this.#storePatterns += 1;
        this.#routes.clear();
      } else {
        this.#routes.delete(name);
      }
    }
    subscription.holders += 1;
    return subscription;
  }

  /** True when that was the last holder and the subscription is gone. */
  release(subscription: Subscription): boolean {
    subscription.holders -= 1;
    if (subscription.holders > 0) return false;
    this.#byName.delete(subscription.name);
    if (subscription.pattern) {
      this.#patterns.remove(subscription.name);
      if (!subscription.local) this.#storePatterns -= 1;
      this.#routes.clear();
    } else {
      this.#routes.delete(subscription.name);
    }
    return true;
  }

  /** The one by name, where there is one, stands last. */
  route(topic: string): readonly Subscription[] {
    const known = this.#routes.get(topic);
    if (known) return known;
    const exact = this.#byName.get(topic);
    const matching = this.#patterns.size > 0 ? this.#patterns.match(topic) : [];
    if (exact) matching.push(exact);
    const route = matching.length > 0 ? matching : none;
    if (this.#routes.size >= routesKept) this.#routes.clear();
    this.#routes.set(topic, route);
    return route;
  }
}
