import { decode, encode } from '@msgpack/msgpack';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';

export type Format = 'json' | 'msgpack';

/** A frame as it came; tests look at its fields by name. */
export interface Frame {
  type: string;
  id?: string | number;
  [field: string]: unknown;
}

/** Fields that this reads as a test wants them; what is missing fails the assertion that looks for it. */
export interface EventFrame extends Frame {
  topic: string;
  seq: number;
  epoch: string;
  ts: number;
  data: unknown;
}

export interface JoinOptions {
  format?: Format;
  /** Offer no subprotocol: the first frame decides. */
  bare?: boolean;
  path?: string;
  headers?: Record<string, string>;
  compress?: boolean;
}

interface Waiter {
  readonly patience: NodeJS.Timeout;
  look(): boolean;
  settle(): void;
}

/** How long nothing may come while something is waited for: a machine that is slow is not taken for one that is stuck. */
const patienceMs = 20_000;

/**
 * A client with no mind of its own: it sends what it is told, and keeps every frame in the order in which it came, so
 * that a test can see what a real client library would smooth over.
 */
export class TestClient {
  readonly format: Format;
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  /** What `ws` chose of the subprotocols offered. */
  readonly protocol: string;
  closed: { code: number; reason: string } | undefined;
  onFrame: (frame: Frame) => void = () => {};
  /** How often the server pinged. */
  pings = 0;
  readonly #waiters = new Set<Waiter>();
  #nextId = 1;

  constructor(socket: WebSocket, format: Format) {
    this.socket = socket;
    this.format = format;
    this.protocol = socket.protocol;
    socket.on('message', (data: Buffer, binary: boolean) => this.#take(data, binary));
    socket.on('ping', () => {
      this.pings += 1;
      this.#look();
    });
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#look();
    });
  }

  get events(): EventFrame[] {
    return this.of('event') as EventFrame[];
  }

  of(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** Sends the frame with an id, and gives back the answer, whichever it is. */
  async ask(frame: Record<string, unknown>): Promise<Frame> {
    const id = this.send(frame);
    return this.answerTo(id);
  }

  /** The result of a request that must succeed. */
  async request<T = Record<string, unknown>>(frame: Record<string, unknown>): Promise<T> {
    const answer = await this.ask(frame);
    if (answer.type !== 'ok') throw new Error(`${String(frame['type'])} was refused: ${JSON.stringify(answer)}`);
    return answer['result'] as T;
  }

  /** The code of a request that must fail. */
  async refusal(frame: Record<string, unknown>): Promise<string> {
    return codeOf(await this.ask(frame));
  }

  send(frame: Record<string, unknown>): string | number {
    const id = (frame['id'] as string | number | undefined) ?? this.#nextId++;
    this.sendAsIs({ id, ...frame });
    return id;
  }

  sendAsIs(frame: unknown): void {
    this.socket.send(this.format === 'json' ? JSON.stringify(frame) : encode(frame));
  }

  answerTo(id: string | number): Promise<Frame> {
    return this.waitFor((frame) => frame.id === id, `the answer to ${id}`);
  }

  /** The first frame, of those that came or will, that is as asked. */
  async waitFor(wanted: (frame: Frame) => boolean, what = 'a frame'): Promise<Frame> {
    let found: Frame | undefined;
    let looked = 0;
    await this.until(() => {
      for (; looked < this.frames.length && !found; looked += 1) {
        const frame = this.frames[looked]!;
        if (wanted(frame)) found = frame;
      }
      return found !== undefined;
    }, what);
    return found!;
  }

  /** All events, once there are so many. */
  async gather(count: number): Promise<EventFrame[]> {
    await this.until(() => this.events.length >= count, `${count} events`);
    return this.events;
  }

  close(): Promise<{ code: number; reason: string }> {
    this.socket.close();
    return this.end();
  }

  /** How the server, or the client itself, closed the connection. */
  async end(): Promise<{ code: number; reason: string }> {
    await this.until(() => this.closed !== undefined, 'the close');
    return this.closed!;
  }

  /** The socket goes without a word, as in a tunnel. */
  cut(): void {
    this.socket.terminate();
  }

  /** Stops reading from TCP, so that what is sent to it piles up at the server. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Resolves when the condition holds; looked at after every frame, ping and close. */
  until(condition: () => boolean, what = 'a condition'): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => {
        this.#waiters.delete(waiter);
        const last = JSON.stringify(this.frames.slice(-3)).slice(0, 600);
        const state = this.closed ? `closed with ${this.closed.code}` : 'open';
        reject(new Error(`${what} did not come; the connection is ${state}; of ${this.frames.length} frames: ${last}`));
      }, patienceMs);
      const waiter: Waiter = { patience, look: condition, settle: resolve };
      this.#waiters.add(waiter);
    });
  }

  #take(data: Buffer, binary: boolean): void {
    if (binary !== (this.format === 'msgpack')) throw new Error(`a ${binary ? 'binary' : 'text'} frame came`);
    const frame = (binary ? decode(data) : JSON.parse(data.toString())) as Frame;
    this.frames.push(frame);
    for (const { patience } of this.#waiters) patience.refresh();
    this.onFrame(frame);
    this.#look();
  }

  #look(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.look()) continue;
      clearTimeout(waiter.patience);
      this.#waiters.delete(waiter);
      waiter.settle();
    }
  }
}

const subprotocols: Record<Format, string> = { json: 'agentwire.v1.json', msgpack: 'agentwire.v1.msgpack' };

/** Connects to a gateway of this machine, and is cut at the end of the test; rejects where the upgrade is refused. */
export function join(port: number, options: JoinOptions = {}): Promise<TestClient> {
  const { format = 'json', bare = false, path = '/v1/ws', headers = {}, compress = false } = options;
  const protocols = bare ? [] : [subprotocols[format]];
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers, perMessageDeflate: compress });
  onTestFinished(() => socket.terminate());
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('unexpected-response', (_request, response) => {
      reject(new Refused(response.statusCode ?? 0, response.headers));
      response.destroy();
    });
    // Made within the turn of the opening: a frame may come in the very same read.
    socket.on('open', () => resolve(new TestClient(socket, format)));
  });
}

/** The upgrade was answered as plain HTTP. */
export class Refused extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;

  constructor(status: number, headers: Readonly<Record<string, unknown>>) {
    super(`the upgrade was answered with ${status}`);
    this.status = status;
    this.headers = headers;
  }
}

export function codeOf(answer: Frame): string {
  if (answer.type !== 'error') throw new Error(`not an error: ${JSON.stringify(answer)}`);
  return (answer['error'] as { code: string }).code;
}
