import type { Fanout, Socket } from '../../../services/gateway/hub/ports.ts';

/** At most so many native messages are gathered for a socket before they are written. */
const gatherLimit = 32;

/**
 * Behaves as uWebSockets.js was measured to: native messages are gathered per socket and turn; where one does not fit,
 * it and all gathered behind it are lost and `dropped` names the first only; leaving the last native topic forgets what
 * was gathered; unsubscribing inside `dropped` is fatal; over the limit sends are refused; `drained` fires at zero.
 */
export class FakeSocket implements Socket {
  readonly native: boolean;
  readonly received: string[] = [];
  readonly topics = new Set<string>();
  onDropped: (frame: Uint8Array) => void = () => {};
  onDrained: () => void = () => {};
  onClosed: () => void = () => {};
  readonly #limit: number;
  #gathered: Uint8Array[] = [];
  #buffer: Uint8Array[] = [];
  #bytes = 0;
  #inDropped = false;
  /** A client that reads at once never lets anything wait. */
  reading = true;

  constructor(limit: number, native = true) {
    this.#limit = limit;
    this.native = native;
  }

  send(frame: Uint8Array): boolean {
    this.flush();
    if (this.#bytes > this.#limit) return false;
    this.#take(frame);
    return true;
  }

  buffered(): number {
    return this.#bytes;
  }

  flush(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    for (const frame of gathered) {
      if (this.#bytes > this.#limit) {
        this.#inDropped = true;
        this.onDropped(frame);
        this.#inDropped = false;
        return;
      }
      this.#take(frame);
    }
  }

  subscribe(nativeTopic: string): void {
    this.topics.add(nativeTopic);
  }

  unsubscribe(nativeTopic: string): void {
    if (this.#inDropped) throw new Error('unsubscribe inside dropped: the process would be gone');
    this.topics.delete(nativeTopic);
    if (this.topics.size === 0) this.#gathered = [];
  }

  cork(work: () => void): void {
    work();
  }

  close(): void {
    this.onClosed();
  }

  gather(frame: Uint8Array): void {
    this.#gathered.push(frame);
    if (this.#gathered.length >= gatherLimit) this.flush();
  }

  /** The client reads so many frames (all without a number); the buffer reaching zero is an event of its own. */
  read(frames = Number.POSITIVE_INFINITY): void {
    const before = this.#bytes;
    for (let left = frames; left > 0 && this.#buffer.length > 0; left -= 1) this.#arrive(this.#buffer.shift()!);
    this.#bytes = this.#buffer.reduce((sum, frame) => sum + frame.length, 0);
    if (before > 0 && this.#bytes === 0) this.onDrained();
  }

  #take(frame: Uint8Array): void {
    if (this.reading && this.#buffer.length === 0) {
      this.#arrive(frame);
      return;
    }
    this.#buffer.push(frame);
    this.#bytes += frame.length;
  }

  #arrive(frame: Uint8Array): void {
    this.received.push(Buffer.from(frame).toString());
  }
}

export class FakeFanout implements Fanout {
  readonly sockets = new Set<FakeSocket>();

  publish(nativeTopic: string, frame: Uint8Array): void {
    for (const socket of this.sockets) if (socket.topics.has(nativeTopic)) socket.gather(frame);
  }

  /** The end of a turn of the loop. */
  endTurn(): void {
    for (const socket of this.sockets) socket.flush();
  }
}
