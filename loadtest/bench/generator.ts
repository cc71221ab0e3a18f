import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FrameReader, upgradeRequest } from './ws-frames.ts';

/** What reads the servers' bytes must cost less than what sends them: one buffer for all sockets, and no stream machinery. */
const inbound = Buffer.alloc(256 * 1024);
const opensAtOnce = 100;
const stalledMs = 3000;

export type OnFrames = (count: number) => void;

/** One WebSocket on a raw TCP socket. */
export class Connection {
  readonly reader: FrameReader;
  onFrames: OnFrames | undefined;
  readonly #socket: Socket;
  #upgraded = false;
  #ended = false;
  #progress: (() => void) | undefined;

  private constructor(port: number, path: string, eventBytes: number) {
    this.reader = new FrameReader(eventBytes);
    const callback = (bytes: number): boolean => {
      this.#read(bytes);
      return true;
    };
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: inbound, callback } });
    this.#socket.on('connect', () => this.#socket.write(upgradeRequest(path)));
    this.#socket.on('error', () => this.#end());
    this.#socket.on('close', () => this.#end());
  }

  static async open(port: number, path: string, eventBytes: number): Promise<Connection> {
    const connection = new Connection(port, path, eventBytes);
    await connection.#until(() => connection.#upgraded);
    return connection;
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Sends, and waits for the one frame that answers. For setting up only. */
  async ask(frame: Buffer): Promise<void> {
    const before = this.reader.frames;
    this.send(frame);
    await this.#until(() => this.reader.frames > before);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: number): void {
    let start = 0;
    if (!this.#upgraded) {
      // The answer to the upgrade is one small packet; a server that splits it would be seen as no upgrade.
      const end = inbound.subarray(0, bytes).indexOf('\r\n\r\n');
      if (end < 0 || !inbound.subarray(0, bytes).toString('latin1').startsWith('HTTP/1.1 101')) return this.close();
      this.#upgraded = true;
      start = end + 4;
    }
    const before = this.reader.frames;
    this.reader.read(inbound, start, bytes);
    const count = this.reader.frames - before;
    if (count > 0) this.onFrames?.(count);
    this.#progress?.();
  }

  #end(): void {
    this.#ended = true;
    this.#progress?.();
  }

  #until(reached: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#progress = () => {
        if (!reached() && !this.#ended) return;
        this.#progress = undefined;
        if (reached()) resolve();
        else reject(new Error('the server closed a connection of the measurement'));
      };
    });
  }
}

export async function openAll(count: number, open: (index: number) => Promise<Connection>): Promise<Connection[]> {
  const all: Connection[] = [];
  while (all.length < count) {
    const some = Math.min(opensAtOnce, count - all.length);
    all.push(...(await Promise.all(Array.from({ length: some }, (_, i) => open(all.length + i)))));
  }
  return all;
}

/** Sends its frames in turn, over and over; while it runs, never more than `window` that were not released yet. */
export class Publisher {
  sent = 0;
  readonly connection: Connection;
  readonly #frames: Buffer;
  readonly #ends: number[] = [0];
  readonly #count: number;
  readonly #window: number;
  #next = 0;
  #free: number;
  #running = false;

  constructor(connection: Connection, frames: readonly Buffer[], window: number) {
    this.connection = connection;
    this.#count = Math.ceil(window / frames.length) * frames.length;
    const turns = Array.from({ length: this.#count }, (_, i) => frames[i % frames.length]!);
    for (const frame of turns) this.#ends.push(this.#ends.at(-1)! + frame.length);
    this.#frames = Buffer.concat(turns);
    this.#window = this.#free = window;
  }

  start(): void {
    this.#running = true;
    this.release(0);
  }

  stop(): void {
    this.#running = false;
  }

  /** Goes on in half windows, as a client does that writes what has gathered, not one frame a system call. */
  release(count: number): void {
    this.#free += count;
    if (this.#running && this.#free * 2 >= this.#window) this.send(this.#free);
  }

  /** At most a window at once. */
  send(count: number): void {
    this.sent += count;
    this.#free -= count;
    const first = Math.min(count, this.#count - this.#next);
    this.#write(this.#next, this.#next + first);
    if (first < count) this.#write(0, count - first);
    this.#next = (this.#next + count) % this.#count;
  }

  #write(from: number, to: number): void {
    this.connection.send(this.#frames.subarray(this.#ends[from], this.#ends[to]));
  }
}

/** Calls `send` at a steady rate, whatever becomes of what was sent; a late timer catches up. */
export async function steadily(perSecond: number, ms: number, send: (count: number) => void): Promise<void> {
  const start = performance.now();
  const total = Math.round((perSecond * ms) / 1000);
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.floor(((performance.now() - start) * perSecond) / 1000) + 1);
    if (due > sent) send(due - sent);
    sent = due;
    await sleep(1);
  }
}

/** Waits until everything that is due has come, or nothing has come any more for a while. */
export async function arrived(due: number, came: () => number): Promise<void> {
  let last = came();
  let since = performance.now();
  while (last < due && performance.now() - since < stalledMs) {
    await sleep(2);
    if (came() === last) continue;
    last = came();
    since = performance.now();
  }
}
