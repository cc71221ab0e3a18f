/**
 * Requests that wait for their turn, and their bytes; a client may run ahead so far before it is told `busy`. Ten
 * thousand requests of a kilobyte and a half, sent without waiting for an answer, have room.
 */
const maxWaiting = 16_384;
const maxWaitingBytes = 16 * 1024 * 1024;
/** Refusals in a row, without one request taken in between, that make a client a flooder. */
const maxRefused = 1000;
/**
 * The server reads on from a socket for as long as its buffer comes back full, and nothing else of the process moves
 * meanwhile. More frames in one turn than may wait, and for longer than they take: a turn may be long for reasons of ours.
 */
const maxTurnMs = 500;
const maxTurnFrames = maxWaiting + maxWaiting / 2;

export type Admission = 'now' | 'later' | 'refused' | 'flooding';

interface Frame {
  bytes: Uint8Array;
  binary: boolean;
}

/**
 * What one connection sends and how much of it is worked on at once. A WebSocket cannot be paused, so what comes on
 * top waits in a bounded queue; beyond it requests are refused, and a client that does not stop then is closed.
 */
export class Inbox {
  readonly #limit: number;
  readonly #rate: number;
  #running = 0;
  #holds = 0;
  #waiting: Frame[] | undefined;
  /** The first that still waits: shifting a long array for each frame would move it as often. */
  #first = 0;
  #waitingBytes = 0;
  #refused = 0;
  #second = 0;
  #thisSecond = 0;
  #turn = 0;
  #turnBegan = 0;
  #turnFrames = 0;

  constructor(limit: number, messagesPerSecond: number) {
    this.#limit = limit;
    this.#rate = messagesPerSecond;
  }

  get idle(): boolean {
    return this.#running === 0 && this.#holds === 0 && this.#waiting === undefined;
  }

  /** Over the rate; `now` in milliseconds. */
  tooFast(now: number): boolean {
    if (this.#rate === 0) return false;
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#thisSecond = 0;
    }
    this.#thisSecond += 1;
    return this.#thisSecond > this.#rate;
  }

  /** Frame after frame of it comes in one turn of the process, and has for too long. */
  hogs(turn: number, now: number): boolean {
    if (turn !== this.#turn) {
      this.#turn = turn;
      this.#turnBegan = now;
      this.#turnFrames = 0;
    }
    this.#turnFrames += 1;
    return this.#turnFrames > maxTurnFrames && now - this.#turnBegan > maxTurnMs;
  }

  admit(bytes: Uint8Array, binary: boolean): Admission {
    if (this.#running < this.#limit && this.#holds === 0 && !this.#waiting) {
      this.#refused = 0;
      return 'now';
    }
    const waiting = (this.#waiting ??= []);
    if (waiting.length - this.#first >= maxWaiting || this.#waitingBytes + bytes.length > maxWaitingBytes)
      return this.refuse();
    // The server takes the bytes back after the call.
    waiting.push({ bytes: bytes.slice(), binary });
    this.#waitingBytes += bytes.length;
    return 'later';
  }

  refuse(): 'refused' | 'flooding' {
    this.#refused += 1;
    return this.#refused > maxRefused ? 'flooding' : 'refused';
  }

  started(): void {
    this.#running += 1;
  }

  ended(): void {
    this.#running -= 1;
  }

  /** Until each is released everything waits, however little is under way. */
  hold(): void {
    this.#holds += 1;
  }

  release(): void {
    this.#holds -= 1;
  }

  /** What may start now, one at a time. */
  next(): Frame | undefined {
    if (!this.#waiting || this.#holds > 0 || this.#running >= this.#limit) return undefined;
    const frame = this.#waiting[this.#first++];
    if (frame) this.#waitingBytes -= frame.bytes.length;
    if (this.#first >= this.#waiting.length) {
      this.#waiting = undefined;
      this.#first = 0;
    }
    return frame;
  }
}
