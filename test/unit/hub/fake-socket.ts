import type { Fanout, Socket } from '../../../services/gateway/hub/ports.ts';

/** At most so many native messages are gathered for a socket before they are written. */
const gatherLimit = 32;

/**
 * Behaves as uWebSockets.js was measured to, behind the room that wraps it: native messages are gathered per socket and
 * turn, up to 32; where one does not fit, it and all gathered behind it are lost, the first is named after the call that
 * found out (or at the end of the turn), and there may be room again at once; over the limit sends and flushes are
 * refused; what was gathered before an unsubscribe still goes out; `drained` fires at zero.
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
  #lost: Uint8Array | undefined;
  /** A client that reads at once never lets anything wait. */
  reading = true;

  constructor(limit: number, native = true) {
    this.#limit = limit;
    this.native = native;
  }

  send(frame: Uint8Array): boolean {
    if (!this.flush() || this.#bytes > this.#limit) return false;
    this.#take(frame);
    return true;
  }

  buffered(): number {
    return this.#bytes;
  }

  flush(): boolean {
    if (this.#bytes > this.#limit) return false;
    this.write();
    this.tell();
    return true;
  }

  /** Writes what was gathered; what does not fit is lost, and only the first of it is named, later. */
  write(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    for (const frame of gathered) {
      if (this.#bytes > this.#limit) {
        this.#lost ??= frame;
        // Its attempt to write can make room, all of a sudden.
        this.#read(1);
        return;
      }
      this.#take(frame);
    }
  }

  tell(): void {
    const lost = this.#lost;
    this.#lost = undefined;
    if (lost) this.onDropped(lost);
  }

  subscribe(nativeTopic: string): void {
    this.topics.add(nativeTopic);
  }

  unsubscribe(nativeTopic: string): void {
    this.topics.delete(nativeTopic);
  }

  cork(work: () => void): void {
    work();
  }

  close(): void {
    this.onClosed();
  }

  gather(frame: Uint8Array): void {
    if (this.#gathered.length === gatherLimit) {
      this.write();
      this.tell();
    }
    this.#gathered.push(frame);
  }

  /** The client reads so many frames (all without a number); the buffer reaching zero is an event of its own. */
  read(frames = Number.POSITIVE_INFINITY): void {
    const before = this.#bytes;
    this.#read(frames);
    if (before > 0 && this.#bytes === 0) this.onDrained();
  }

  #read(frames: number): void {
    for (let left = frames; left > 0 && this.#buffer.length > 0; left -= 1) this.#arrive(this.#buffer.shift()!);
    this.#bytes = this.#buffer.reduce((sum, frame) => sum + frame.length, 0);
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
    for (const socket of this.sockets) {
      socket.write();
      socket.tell();
    }
  }
}
