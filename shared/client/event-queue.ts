import type { AgentwireError } from './errors.ts';
import type { AgentwireEvent } from './events.ts';

type Result = IteratorResult<AgentwireEvent, undefined>;

interface Reader {
  resolve(result: Result): void;
  reject(error: AgentwireError): void;
}

/**
 * Events between the client and a loop that takes them one by one. When it is full the oldest goes, and is given back
 * for an announcement. It fills from the subscription on, so that a loop begun later misses nothing; one that is full
 * before any loop has begun is taken for one that nobody will read, and holds nothing until somebody does.
 */
export class EventQueue {
  readonly #limit: number;
  #events: AgentwireEvent[] = [];
  #first = 0;
  #readers: Reader[] = [];
  #read = false;
  #unwanted = false;
  #ended: { error: AgentwireError | undefined } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(event: AgentwireEvent): AgentwireEvent | undefined {
    if (this.#ended || this.#unwanted) return undefined;
    const reader = this.#readers.shift();
    if (reader) {
      reader.resolve({ done: false, value: event });
      return undefined;
    }
    if (this.#events.length - this.#first < this.#limit) {
      this.#events.push(event);
      return undefined;
    }
    if (!this.#read) {
      this.#unwanted = true;
      this.#events = [];
      return undefined;
    }
    this.#events.push(event);
    return this.#take();
  }

  /** A loop begins. */
  begin(): void {
    this.#read = true;
    this.#unwanted = false;
  }

  next(): Promise<Result> {
    const event = this.#take();
    if (event) return Promise.resolve({ done: false, value: event });
    if (this.#ended?.error) return Promise.reject(this.#ended.error);
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** What waits can still be read; then comes the error, if there is one, or the end. */
  end(error: AgentwireError | undefined): void {
    if (this.#ended) return;
    this.#ended = { error };
    for (const reader of this.#readers.splice(0)) {
      if (error) reader.reject(error);
      else reader.resolve({ done: true, value: undefined });
    }
  }

  #take(): AgentwireEvent | undefined {
    const event = this.#events[this.#first];
    if (!event) return undefined;
    this.#first += 1;
    // Shifting a long array for each event would move it as often.
    if (this.#first >= 1024 || this.#first === this.#events.length) {
      this.#events = this.#events.slice(this.#first);
      this.#first = 0;
    }
    return event;
  }
}
