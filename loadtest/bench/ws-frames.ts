import { randomBytes } from 'node:crypto';

/** The client's half of a WebSocket and no more than a measurement needs: no parsing of what is in a frame. */

export function upgradeRequest(path: string): string {
  const key = randomBytes(16).toString('base64');
  return (
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`
  );
}

/** A masked text frame, as a client has to send it. Made once and sent many times. */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const mask = randomBytes(4);
  for (let i = 0; i < payload.length; i++) payload[i]! ^= mask[i & 3]!;
  const { length } = payload;
  const header =
    length < 126 ? Buffer.from([0x81, 0x80 | length]) : Buffer.from([0x81, 0xfe, length >> 8, length & 0xff]);
  if (length > 0xffff) throw new RangeError('a measured frame has at most 64 KiB');
  return Buffer.concat([header, mask, payload]);
}

const closeOpcode = 8;
const longestHeader = 10;
/** Enough for an answer, and for all of an event but the end of its data. */
const headBytes = 256;

/** Counts the frames of one socket by their headers, wherever the reads cut them. */
export class FrameReader {
  /** Text and binary frames, once they are complete. */
  frames = 0;
  /** Those of them that are long enough to be events of a measurement: answers and notices are shorter. */
  events = 0;
  closed = false;
  /** Is lent the beginning of each text or binary frame that is complete; it must not be kept. */
  onHead: ((head: Buffer) => void) | undefined;
  readonly #eventBytes: number;
  readonly #cut = Buffer.alloc(longestHeader);
  #cutBytes = 0;
  #open = false;
  #opcode = 0;
  #length = 0;
  #left = 0;
  #head: Buffer | undefined;
  #headSize = 0;

  constructor(eventBytes: number) {
    this.#eventBytes = eventBytes;
  }

  read(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (this.#cutBytes > 0 && at < end) {
      this.#cut[this.#cutBytes++] = bytes[at++]!;
      if (headerSize(this.#cut, 0, this.#cutBytes) > this.#cutBytes) continue;
      this.#begin(this.#cut, 0);
      this.#cutBytes = 0;
    }
    for (;;) {
      if (this.#open) {
        const here = Math.min(end - at, this.#left);
        this.#left -= here;
        if (this.onHead) this.#show(this.onHead, bytes, at, here);
        if (this.#left > 0) return;
        at += here;
        this.#finish();
      }
      if (at === end) return;
      const size = headerSize(bytes, at, end);
      if (at + size > end) {
        this.#cutBytes = bytes.copy(this.#cut, 0, at, end);
        return;
      }
      this.#begin(bytes, at);
      at += size;
    }
  }

  #begin(bytes: Buffer, at: number): void {
    const short = bytes[at + 1]! & 0x7f;
    this.#opcode = bytes[at]! & 0x0f;
    this.#length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUIntBE(at + 4, 6);
    this.#left = this.#length;
    this.#open = true;
  }

  /** A frame that came in one piece is shown where it lies; nearly all do. */
  #show(onHead: (head: Buffer) => void, bytes: Buffer, at: number, here: number): void {
    if (this.#opcode >= closeOpcode) return;
    if (here === this.#length) return onHead(bytes.subarray(at, at + Math.min(here, headBytes)));
    this.#head ??= Buffer.allocUnsafe(headBytes);
    this.#headSize += bytes.copy(this.#head, this.#headSize, at, at + here);
    if (this.#left > 0) return;
    onHead(this.#head.subarray(0, this.#headSize));
    this.#headSize = 0;
  }

  #finish(): void {
    this.#open = false;
    if (this.#opcode === closeOpcode) this.closed = true;
    if (this.#opcode >= closeOpcode) return;
    this.frames += 1;
    if (this.#length >= this.#eventBytes) this.events += 1;
  }
}

/** Of a frame that a server sends, which is not masked; more than there is when the read ends before it is known. */
function headerSize(bytes: Buffer, at: number, end: number): number {
  if (end - at < 2) return longestHeader;
  const short = bytes[at + 1]! & 0x7f;
  return short < 126 ? 2 : short === 126 ? 4 : longestHeader;
}
