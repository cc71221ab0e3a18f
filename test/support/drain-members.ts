import { once } from 'node:events';
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { AgentwireClient } from '../../shared/client/index.ts';
import { join } from './client.ts';
import type { EventFrame, Format, Frame, TestClient } from './client.ts';
import { SseClient } from './sse.ts';

/** One event as it has to come: the next number of its topic. */
interface Numbered {
  readonly topic: string;
  readonly seq: number;
  readonly data: unknown;
}

/** A client that follows topics from their first event on, through a drain, and notes down whatever is not as promised. */
export abstract class Member {
  readonly topics: readonly string[];
  readonly seen = new Map<string, unknown[]>();
  readonly faults: string[] = [];
  /** What its goaways told it, and when it was back elsewhere; by the clock of this process. */
  readonly told: number[] = [];
  readonly backAt: number[] = [];

  constructor(topics: readonly string[]) {
    this.topics = topics;
  }

  abstract start(): Promise<void>;

  protected take({ topic, seq, data }: Numbered): void {
    const events = this.seen.get(topic) ?? [];
    this.seen.set(topic, events);
    if (seq !== events.length + 1) this.faults.push(`${topic} goes from ${events.length} to ${seq}`);
    events.push(data);
  }

  protected back(): void {
    this.backAt.push(performance.now());
  }
}

/** The client library. */
export class LibraryMember extends Member {
  readonly #client: AgentwireClient;

  constructor(port: number, topics: readonly string[], format: Format) {
    super(topics);
    this.#client = new AgentwireClient({ url: `ws://127.0.0.1:${port}`, WebSocket, format });
    onTestFinished(() => this.#client.close());
    for (const name of ['gap', 'dropped', 'error'] as const) {
      this.#client.on(name, (event: unknown) => void this.faults.push(`${name} ${JSON.stringify(event)}`));
    }
    this.#client.on('goaway', ({ reconnectAfterMs }) => void this.told.push(reconnectAfterMs));
    this.#client.on('connected', ({ again }) => again && this.back());
  }

  async start(): Promise<void> {
    await this.#client.connect();
    await Promise.all(this.topics.map((topic) => this.#client.subscribe(topic, (event) => this.take(event))));
  }
}

/** Frames and nothing else: it subscribes anew from where it stands, when it was closed or, if it `heeds` it, after goaway. */
export class BareMember extends Member {
  readonly #port: number;
  readonly #format: Format;
  readonly #heeds: boolean;
  readonly #positions = new Map<string, { seq: number; epoch: string }>();
  #client: TestClient | undefined;
  #left = false;
  #over = false;

  constructor(port: number, topics: readonly string[], format: Format, heeds: boolean) {
    super(topics);
    this.#port = port;
    this.#format = format;
    this.#heeds = heeds;
    onTestFinished(() => void (this.#over = true));
  }

  async start(): Promise<void> {
    await this.#connect();
    void this.#stay();
  }

  async #connect(): Promise<void> {
    const client = await join(this.#port, { format: this.#format });
    this.#client = client;
    this.#left = false;
    client.onFrame = (frame) => this.#frame(client, frame);
    const topics = this.topics.map((topic) => ({ topic, since: this.#positions.get(topic) ?? 'earliest' }));
    await client.request({ type: 'subscribe', topics });
  }

  async #stay(): Promise<void> {
    for (;;) {
      const { socket } = this.#client!;
      if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
      if (this.#over) return;
      const { code, reason } = this.#client!.closed!;
      if (!this.#left && code !== 1001) this.faults.push(`closed with ${code}: ${reason}`);
      await this.#comeBack();
      this.back();
    }
  }

  async #comeBack(): Promise<void> {
    while (!this.#over) {
      try {
        await this.#connect();
        return;
      } catch {
        // Refused by one that drains, where the balancer does not know yet.
        await sleep(50);
      }
    }
  }

  #frame(client: TestClient, frame: Frame): void {
    if (frame.type === 'event') {
      // What still comes of a connection that was given up comes by the next one again.
      if (client !== this.#client || this.#left) return;
      const { topic, seq, epoch, data } = frame as EventFrame;
      this.#positions.set(topic, { seq, epoch });
      this.take({ topic, seq, data });
    } else if (frame.type === 'dropped') {
      this.faults.push(JSON.stringify(frame));
    } else if (frame.type === 'goaway') {
      const after = Number(frame['reconnectAfterMs']);
      this.told.push(after);
      if (this.#heeds) setTimeout(() => this.#leave(client), after);
    }
  }

  #leave(client: TestClient): void {
    this.#left = true;
    client.socket.close();
  }
}

/** Server-sent events of one topic, as a browser takes them: it comes back with the last id. */
export class SseMember extends Member {
  /** How often it was not let in again at once. A browser would give up. */
  refusals = 0;
  readonly #port: number;
  #over = false;

  constructor(port: number, topic: string) {
    super([topic]);
    this.#port = port;
    onTestFinished(() => void (this.#over = true));
  }

  async start(): Promise<void> {
    void this.#follow(await this.#open({}));
  }

  async #open(headers: Record<string, string>): Promise<SseClient> {
    const path = `/v1/topics/${this.topics[0]}/events?after=0`;
    const accept = 'text/event-stream';
    const request = get({ host: '127.0.0.1', port: this.#port, path, headers: { accept, ...headers }, agent: false });
    request.on('error', () => {});
    onTestFinished(() => void request.destroy());
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    if (response.statusCode !== 200) throw new Error(`answered with ${response.statusCode}`);
    return new SseClient(response);
  }

  async #follow(client: SseClient): Promise<void> {
    let taken = 0;
    const take = (): void => {
      for (; taken < client.all.length; taken += 1) {
        const { event, data } = client.all[taken]!;
        if (event === 'message') this.take(data as unknown as Numbered);
        else this.faults.push(`${event} ${JSON.stringify(data)}`);
      }
    };
    client.response.on('data', take);
    // Not by `once`, which takes an error for its own: a stream that is cut at the end of the test has one.
    if (!client.ended) await new Promise((resolve) => client.response.on('close', resolve));
    take();
    if (!this.#over && !client.response.complete) this.faults.push('the stream was cut and not ended');
    while (!this.#over) {
      try {
        const next = await this.#open({ 'last-event-id': client.lastId });
        this.back();
        return await this.#follow(next);
      } catch {
        this.refusals += 1;
        await sleep(50);
      }
    }
  }
}
