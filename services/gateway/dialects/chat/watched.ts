/** What the frames of a run need to know of it, and its events do not say. */
export interface Watched {
  readonly session: string;
  /**
   * The numbers of the last events of which frames were made here: one that began an attempt, and one that streamed a
   * part of an answer. They only grow, so frames that are made again for somebody who came later change nothing.
   */
  begunAt: number;
  streamedAt: number;
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
    else this.#runs.set(invocation, { session, begunAt: 0, streamedAt: 0, watchers: 1 });
  }

  release(invocation: string): void {
    const known = this.#runs.get(invocation);
    if (!known) return;
    known.watchers -= 1;
    if (known.watchers === 0) this.#runs.delete(invocation);
  }
}

export const watchedRuns = new WatchedRuns();
