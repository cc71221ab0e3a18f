import { asError } from './errors.ts';

/** What it gives back is not used; a promise that rejects is reported as a throw is. */
export type Handler<T> = (event: T) => unknown;

interface Registration<T> {
  readonly handler: Handler<T>;
  /** As whoever added it knows it: that of `once` stands inside of another one. */
  readonly known: Handler<T>;
  live: boolean;
}

/**
 * Handlers in the order in which they were added. One that is taken away by another one during a call is not called
 * any more, one that is added then is called from the next time on: the list is replaced, never changed.
 */
export class HandlerList<T> {
  #list: readonly Registration<T>[] = [];

  get size(): number {
    return this.#list.length;
  }

  add(handler: Handler<T>, known = handler): () => void {
    const registration = { handler, known, live: true };
    this.#list = [...this.#list, registration];
    return () => this.#remove(registration);
  }

  remove(handler: Handler<T>): void {
    const registration = this.#list.find((each) => each.known === handler);
    if (registration) this.#remove(registration);
  }

  /** What a handler throws goes to `report`, and the others are called all the same. */
  call(event: T, report: (error: Error) => void): void {
    for (const registration of this.#list) {
      if (!registration.live) continue;
      try {
        const result = registration.handler(event);
        if (isThenable(result)) result.then(undefined, (thrown: unknown) => report(asError(thrown)));
      } catch (thrown) {
        report(asError(thrown));
      }
    }
  }

  #remove(registration: Registration<T>): void {
    registration.live = false;
    this.#list = this.#list.filter((other) => other !== registration);
  }
}

interface Thenable {
  then(done: undefined, failed: (thrown: unknown) => void): unknown;
}

function isThenable(value: unknown): value is Thenable {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
