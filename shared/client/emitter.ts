import { isPattern, patternFault } from '../topics/grammar.ts';
import { PatternTrie } from '../topics/trie.ts';
import { AgentwireError } from './errors.ts';
import { isClientEvent } from './events.ts';
import type { AgentwireEvent, ClientEvents } from './events.ts';
import { HandlerList } from './handlers.ts';
import type { Handler } from './handlers.ts';

/** A handler for `never` takes nothing, so any handler fits; which events it is for is known by its name alone. */
type List = HandlerList<never>;

function call(list: List | undefined, event: unknown, report: (error: Error) => void): void {
  list?.call(event as never, report);
}

/** The listeners of `on`: by the name of what happens to the client, by topic and by pattern. */
export class Emitter {
  readonly #named = new Map<string, List>();
  readonly #topics = new Map<string, List>();
  readonly #patterns = new PatternTrie<List>();

  on(name: string, handler: Handler<never>, known = handler): () => void {
    const list = this.#listFor(name);
    const remove = list.add(handler, known);
    return () => {
      remove();
      this.#tidy(name, list);
    };
  }

  off(name: string, handler: Handler<never>): void {
    const list = this.#named.get(name) ?? this.#topics.get(name);
    list?.remove(handler);
    if (list) this.#tidy(name, list);
  }

  emit<K extends keyof ClientEvents>(name: K, event: ClientEvents[K]): void {
    call(this.#named.get(name), event, name === 'error' ? reportGlobally : this.report);
  }

  /** To 'event' first, then to the listeners of the topic, then to those of patterns. */
  emitEvent(event: AgentwireEvent): void {
    this.emit('event', event);
    call(this.#topics.get(event.topic), event, this.report);
    if (this.#patterns.size === 0) return;
    for (const list of this.#patterns.match(event.topic)) call(list, event, this.report);
  }

  /** The way of every fault that has no promise to reject. */
  readonly report = (error: Error): void => {
    if (this.#named.has('error')) this.emit('error', error);
    else reportGlobally(error);
  };

  #listFor(name: string): List {
    const known = this.#named.get(name) ?? this.#topics.get(name);
    if (known) return known;
    const list: List = new HandlerList();
    if (isClientEvent(name)) {
      this.#named.set(name, list);
      return list;
    }
    const fault = patternFault(name);
    if (fault) throw new AgentwireError('bad_request', `${JSON.stringify(name.slice(0, 80))} is no topic: ${fault}`);
    // By name for patterns as well, to find the list again; the name of a pattern is no topic's.
    this.#topics.set(name, list);
    if (isPattern(name)) this.#patterns.add(name, list);
    return list;
  }

  #tidy(name: string, list: List): void {
    if (list.size > 0) return;
    if (this.#named.get(name) === list) this.#named.delete(name);
    if (this.#topics.get(name) !== list) return;
    this.#topics.delete(name);
    if (isPattern(name)) this.#patterns.remove(name);
  }
}

/** Nobody listens: a browser shows it on its console. Elsewhere it is lost, since a handler's fault must end nothing. */
function reportGlobally(error: Error): void {
  const { reportError } = globalThis as { reportError?: (error: Error) => void };
  reportError?.(error);
}
