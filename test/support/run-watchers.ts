import { once } from 'node:events';
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { AgentwireClient } from '../../shared/client/index.ts';
import { runEnds } from '../../shared/protocol/run-events.ts';
import type { RunEvent } from '../../shared/protocol/run-events.ts';
import { join } from './client.ts';
import type { EventFrame, Format, Frame, TestClient } from './client.ts';
import { startRun } from './run-cluster.ts';
import type { Http } from './in-process.ts';
import { SseClient } from './sse.ts';

export interface RunFrame {
  readonly agent: string;
  readonly input: unknown;
  readonly [field: string]: unknown;
}

export interface Seen {
  readonly seq: number;
  readonly data: RunEvent;
}

/** One way to start runs and to watch them through lost connections, with all that was seen that way. */
export interface Watcher {
  readonly way: string;
  readonly seen: ReadonlyMap<string, readonly Seen[]>;
  /** What must not happen, however often the connection was lost. */
  readonly faults: readonly string[];
  start(frame: RunFrame): Promise<string>;
  watch(invocation: string): void;
}

export function hasSeenEnd(watcher: Watcher, invocation: string): boolean {
  return runEnds.has(watcher.seen.get(invocation)?.at(-1)?.data.kind ?? '');
}

class Account {
  readonly seen = new Map<string, Seen[]>();
  readonly faults: string[] = [];
  readonly #way: string;

  constructor(way: string) {
    this.#way = way;
  }

  of(invocation: string): Seen[] {
    const known = this.seen.get(invocation) ?? [];
    this.seen.set(invocation, known);
    return known;
  }

  add(invocation: string, { seq, data }: Seen): void {
    const seen = this.of(invocation);
    const last = seen.at(-1);
    if (seq !== (last?.seq ?? 0) + 1) this.fault(`${invocation} goes from ${last?.seq} to ${seq}`);
    if (runEnds.has(last?.data.kind ?? '')) this.fault(`${invocation} goes on after its end with ${data.kind}`);
    seen.push({ seq, data });
  }

  fault(says: string): void {
    this.faults.push(`${this.#way}: ${says}`);
  }
}

/** Bare frames: `run` again with its key until it is answered, then `attach` from where it stands, on each connection. */
export class NativeWatcher implements Watcher {
  readonly way: string;
  readonly #port: number;
  readonly #format: Format;
  readonly #account: Account;
  readonly #starting = new Map<string, { frame: object; started: (invocation: string) => void }>();
  #client: TestClient | undefined;
  #closed = false;

  constructor(port: number, format: Format) {
    this.way = `native in ${format}`;
    this.#port = port;
    this.#format = format;
    this.#account = new Account(this.way);
    onTestFinished(() => void (this.#closed = true));
    void this.#keepConnected();
  }

  get seen(): ReadonlyMap<string, readonly Seen[]> {
    return this.#account.seen;
  }

  get faults(): readonly string[] {
    return this.#account.faults;
  }

  start(frame: RunFrame): Promise<string> {
    const key = crypto.randomUUID();
    return new Promise((started) => {
      this.#starting.set(key, { frame: { ...frame, type: 'run', key }, started });
      this.#send(`start ${key}`, this.#starting.get(key)!.frame);
    });
  }

  watch(invocation: string): void {
    this.#account.of(invocation);
    this.#attach(invocation);
  }

  async #keepConnected(): Promise<void> {
    while (!this.#closed) {
      try {
        const client = await join(this.#port, { format: this.#format });
        client.onFrame = (frame) => this.#take(frame);
        this.#client = client;
        for (const [key, { frame }] of this.#starting) this.#send(`start ${key}`, frame);
        for (const invocation of this.seen.keys()) if (!hasSeenEnd(this, invocation)) this.#attach(invocation);
        if (!client.closed) await once(client.socket, 'close');
      } catch {
        // Cut in the middle of it, or no gateway there.
      }
      this.#client = undefined;
      await sleep(20);
    }
  }

  #attach(invocation: string): void {
    const after = this.#account.of(invocation).at(-1)?.seq;
    this.#send(`attach ${invocation}`, { type: 'attach', invocation, ...(after === undefined ? {} : { after }) });
  }

  #send(id: string, frame: object): void {
    const client = this.#client;
    if (client && client.socket.readyState === WebSocket.OPEN) client.sendAsIs({ ...frame, id });
  }

  #take(frame: Frame): void {
    if (frame.type === 'event') this.#event(frame as EventFrame);
    else if (frame.type === 'dropped') this.#account.fault(`told ${JSON.stringify(frame)}`);
    else if (frame.type === 'ok') this.#answer(String(frame.id), frame['result'] as { invocation: string });
    else if (frame.type === 'error') this.#refused(String(frame.id), frame['error'] as { retryable: boolean });
  }

  #event({ topic, seq, data }: EventFrame): void {
    this.#account.add(topic.slice('run.'.length), { seq, data: data as RunEvent });
  }

  #answer(id: string, { invocation }: { invocation: string }): void {
    const [what, key = ''] = id.split(' ');
    if (what !== 'start') return;
    this.#account.of(invocation);
    this.#starting.get(key)?.started(invocation);
    this.#starting.delete(key);
  }

  #refused(id: string, error: { retryable: boolean }): void {
    if (!error.retryable) return this.#account.fault(`${id}: ${JSON.stringify(error)}`);
    const [what, of = ''] = id.split(' ');
    setTimeout(() => {
      const starting = this.#starting.get(of);
      if (what === 'attach') this.#attach(of);
      else if (starting) this.#send(id, starting.frame);
    }, 50);
  }
}

/** Over HTTP, and SSE that comes back with the last id as a browser does. */
export class SseWatcher implements Watcher {
  readonly way = 'SSE';
  readonly #port: number;
  readonly #http: Http;
  readonly #account = new Account(this.way);
  #closed = false;

  constructor(port: number, http: Http) {
    this.#port = port;
    this.#http = http;
    onTestFinished(() => void (this.#closed = true));
  }

  get seen(): ReadonlyMap<string, readonly Seen[]> {
    return this.#account.seen;
  }

  get faults(): readonly string[] {
    return this.#account.faults;
  }

  async start(frame: RunFrame): Promise<string> {
    const { invocation } = await startRun(this.#http, frame);
    this.watch(invocation);
    return invocation;
  }

  watch(invocation: string): void {
    this.#account.of(invocation);
    void this.#follow(invocation);
  }

  async #follow(invocation: string): Promise<void> {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    while (!this.#closed && !hasSeenEnd(this, invocation)) {
      const path = `/v1/runs/${invocation}/events`;
      const request = get({ host: '127.0.0.1', port: this.#port, path, headers, agent: false });
      request.on('error', () => {});
      try {
        const [response] = (await once(request, 'response')) as [IncomingMessage];
        const client = new SseClient(response);
        await once(response, 'close');
        if (response.statusCode === 200) this.#took(invocation, client);
        else if (response.statusCode !== 503) this.#account.fault(`${invocation} is answered ${response.statusCode}`);
        if (client.lastId !== '') headers['last-event-id'] = client.lastId;
      } catch {
        // Cut before it was answered.
      }
      request.destroy();
      await sleep(20);
    }
  }

  #took(invocation: string, client: SseClient): void {
    for (const { event, data } of client.all) {
      if (event === 'message') this.#account.add(invocation, data as unknown as Seen);
      else this.#account.fault(`${invocation} is told ${event} ${JSON.stringify(data)}`);
    }
  }
}

/** The client library, which sees to lost connections itself. */
export class LibraryWatcher implements Watcher {
  readonly way = 'library';
  readonly #client: AgentwireClient;
  readonly #account = new Account(this.way);

  constructor(port: number, format: Format) {
    this.#client = new AgentwireClient({ url: `ws://127.0.0.1:${port}`, WebSocket, format });
    onTestFinished(() => this.#client.close());
    for (const name of ['gap', 'dropped', 'error'] as const) {
      this.#client.on(name, (event: unknown) => this.#account.fault(`${name} ${JSON.stringify(event)}`));
    }
    // Again until there is a gateway; what is asked for meanwhile waits.
    this.#client.connect().catch((error: unknown) => this.#account.fault(String(error)));
  }

  get seen(): ReadonlyMap<string, readonly Seen[]> {
    return this.#account.seen;
  }

  get faults(): readonly string[] {
    return this.#account.faults;
  }

  async start({ agent, input, ...options }: RunFrame): Promise<string> {
    const run = this.#client.run(agent, input, options);
    const invocation = await run.invocation;
    void this.#follow(invocation, run);
    return invocation;
  }

  watch(invocation: string): void {
    void this.#follow(invocation, this.#client.attach(invocation));
  }

  async #follow(invocation: string, run: ReturnType<AgentwireClient['run']>): Promise<void> {
    this.#account.of(invocation);
    try {
      for await (const event of run) {
        if (event.kind === 'gap') {
          this.#account.fault(`${invocation} has ${JSON.stringify(event)}`);
        } else {
          const { seq, ts: _, ...data } = event;
          this.#account.add(invocation, { seq, data: data as RunEvent });
        }
      }
    } catch (error) {
      this.#account.fault(`${invocation}: ${String(error)}`);
    }
  }
}
