/** What the frames of a run need to know of it, and its events do not say. */
export interface Watched {
  readonly session: string;
  /** An attempt of it was begun, in some frame that was made here. */
  begun: boolean;
  /** Some of its answer was streamed. */
  streamed: boolean;
  watchers: number;
}

/**
 * The runs whose events chats of this process get. A format sees an event and nothing else, so that its frame can be
 * made once for all; this is where it finds the session. A chat adds a run before it attaches to it.
 */
export class WatchedRuns {
  readonly #runs = new Map<string, Watched>();

  get size(): number {
    return this.#runs.size;
  }

  get(invocation: string): Watched | undefined {
    return this.#runs.get(invocation);
  }

  add(invocation: string, session: string): void {
    const known = this.#runs.get(invocation);
    if (known) known.watchers += 1;
    else this.#runs.set(invocation, { session, begun: false, streamed: false, watchers: 1 });
  }

  release(invocation: string): void {
    const known = this.#runs.get(invocation);
    if (!known) return;
    known.watchers -= 1;
    if (known.watchers === 0) this.#runs.delete(invocation);
  }
}

export const watchedRuns = new WatchedRuns();
