/** Who is to be told of a lost frame. */
export interface Loser {
  tellDropped(frame: Uint8Array): void;
}

/**
 * Takes the news of lost frames out of uWebSockets.js's `dropped` callback, which runs while it walks its tree of
 * topics. Measured there: unsubscribing corrupts memory when a publish began the walk, closing the socket always does,
 * and a publish never returns. A microtask is no way out when the walk is uWebSockets.js's own, at the end of a turn:
 * microtasks run between one socket and the next. So the news waits for the end of our own call where there is one,
 * else for a microtask (unsubscribing is harmless there), and closing waits for the next turn: see `walking`.
 */
export class Losses {
  /** Calls of ours into uWebSockets.js that may begin a walk and have not returned. */
  #calls = 0;
  /** What native publish took in this turn, and in the one before. */
  #published: Uint8Array[] = [];
  #before: Uint8Array[] = [];
  readonly #endTurn = (): void => this.#forget();
  #lastFound: Uint8Array | undefined = undefined;
  /** An entry for each socket and batch of 32 messages at most; handed on before the next walk. */
  #news: { loser: Loser; frame: Uint8Array }[] = [];
  /** uWebSockets.js may be walking on its own. It ends within the turn; nothing tells when. */
  walking = false;

  /** The last walk over what was published in a turn comes before the immediates of that turn (measured, in every phase of the loop). */
  published(frame: Uint8Array): void {
    if (this.#published.push(frame) === 1 && this.#before.length === 0) setImmediate(this.#endTurn);
  }

  enter(): void {
    this.#calls += 1;
  }

  leave(): void {
    this.#calls -= 1;
    if (this.#news.length > 0 && this.#calls === 0) this.#tell();
  }

  /** Only what was published counts: a pong or a close frame that the full socket refused is named by uWebSockets.js, too. */
  add(loser: Loser, message: ArrayBuffer): void {
    const frame = this.#find(new Uint8Array(message));
    if (!frame) return;
    this.#news.push({ loser, frame });
    if (this.#calls > 0) return;
    this.walking = true;
    if (this.#news.length === 1) queueMicrotask(() => this.#tell());
  }

  /** Many sockets lose the same message in a row. */
  #find(bytes: Uint8Array): Uint8Array | undefined {
    const isIt = (frame: Uint8Array): boolean => frame.length === bytes.length && Buffer.compare(frame, bytes) === 0;
    if (!this.#lastFound || !isIt(this.#lastFound))
      this.#lastFound = this.#published.findLast(isIt) ?? this.#before.find(isIt);
    return this.#lastFound;
  }

  /** One turn later than it could: another immediate of the same phase may have published for the next turn already. */
  #forget(): void {
    this.#before = this.#published;
    this.#published = [];
    this.#lastFound = undefined;
    this.walking = false;
    if (this.#before.length > 0) setImmediate(this.#endTurn);
  }

  #tell(): void {
    const news = this.#news;
    this.#news = [];
    for (const { loser, frame } of news) loser.tellDropped(frame);
  }
}
