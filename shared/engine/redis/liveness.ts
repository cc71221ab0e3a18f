/** Sends one probe through Redis, back to this very connection. */
export type SendProbe = (probe: string) => Promise<unknown>;

const everyMs = 1000;
/** No probe and nothing else came for this long. */
const silentMs = 1500;
/** Data comes but the probe does not: this connection only lags, or it has lost its subscription. */
const laggingMs = 10_000;

/**
 * Notices a subscriber connection that looks alive and delivers nothing: a subscription lost by a proxy, a frozen
 * server, a peer that went without a word. A connection on which data flows is given more time, because the probe
 * queues behind the data, and tearing the connection down would lose what is on the way.
 */
export class Liveness {
  readonly #send: SendProbe;
  readonly #dead: () => void;
  #timer: NodeJS.Timeout | undefined;
  #count = 0;
  #awaited = '';
  #sentAt = 0;
  #heardAt = 0;

  constructor(send: SendProbe, dead: () => void) {
    this.#send = send;
    this.#dead = dead;
    this.#timer = setInterval(() => this.#beat(), everyMs / 2);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  heard(): void {
    this.#heardAt = performance.now();
  }

  probe(text: string): void {
    if (text === this.#awaited) this.#awaited = '';
  }

  #beat(): void {
    if (this.#awaited !== '') {
      // A process that was stalled itself finds its timers due first and the data still unread: read, then judge.
      if (this.#overdue()) setImmediate(() => setImmediate(() => this.#judge()));
      return;
    }
    const now = performance.now();
    if (now - this.#sentAt < everyMs - everyMs / 4) return;
    this.#sentAt = now;
    this.#awaited = `probe ${++this.#count}`;
    // A probe that cannot be sent does not come back either, and that is what counts.
    this.#send(this.#awaited).catch(() => undefined);
  }

  #overdue(): boolean {
    const now = performance.now();
    return now - Math.max(this.#sentAt, this.#heardAt) > silentMs || now - this.#sentAt > laggingMs;
  }

  #judge(): void {
    if (this.#timer === undefined || this.#awaited === '' || !this.#overdue()) return;
    this.stop();
    this.#dead();
  }
}
