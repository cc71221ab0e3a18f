import { onTestFinished } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { AgentwireClient } from '../../../shared/client/index.ts';
import type { AgentwireEvent, ClientEvents, ClientOptions } from '../../../shared/client/index.ts';
import { FakeLog } from './fake-log.ts';
import { FakeServer } from './fake-server.ts';

/** A client, a server that does as it is told, and a clock that stands still. */
export interface Harness {
  clock: ManualClock;
  log: FakeLog;
  server: FakeServer;
  client: AgentwireClient;
  /** What happened to the client, by name, in order. */
  told: { [K in keyof ClientEvents]: ClientEvents[K][] };
  /** Everything that is on its way arrives, until nothing is. */
  quiet(): Promise<void>;
  /** Time passes, with everything arriving in between. */
  pass(ms: number): Promise<void>;
}

export function harness(options: Partial<ClientOptions> = {}): Harness {
  const clock = new ManualClock();
  const log = new FakeLog(clock);
  const server = new FakeServer(log);
  const { WebSocket } = server;
  const client = new AgentwireClient({ url: 'ws://fake', WebSocket, clock, random: () => 0.5, ...options });
  const told: Harness['told'] = {
    event: [],
    connected: [],
    disconnected: [],
    reconnecting: [],
    dropped: [],
    gap: [],
    goaway: [],
    error: [],
  };
  for (const name of Object.keys(told) as (keyof ClientEvents)[]) {
    client.on(name, (event) => void (told[name] as unknown[]).push(event));
  }
  const quiet = async (): Promise<void> => {
    for (;;) {
      await microtasks();
      const { socket } = server;
      if (!socket) return;
      if (socket.state === 'connecting') socket.open();
      else if (socket.inbound.length > 0) socket.toServer();
      else if (socket.behind.size > 0) socket.sendAll();
      else if (socket.outbound.length > 0) socket.toClient();
      else return;
    }
  };
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 50) {
      clock.advance(Math.min(50, left));
      await quiet();
    }
  };
  return { clock, log, server, client, told, quiet, pass };
}

/** A connected one. */
export async function connected(options: Partial<ClientOptions> = {}): Promise<Harness> {
  const made = harness(options);
  const connecting = made.client.connect();
  await made.quiet();
  await connecting;
  onTestFinished(() => made.client.close());
  return made;
}

/** Whatever the client does in promises is done. */
export async function microtasks(): Promise<void> {
  for (let i = 0; i < 12; i += 1) await Promise.resolve();
}

/** A handler that notes down what it gets. */
export function notes(): { handler: (event: AgentwireEvent) => void; seqs: number[]; data: unknown[] } {
  const seqs: number[] = [];
  const data: unknown[] = [];
  return {
    seqs,
    data,
    handler: (event) => {
      seqs.push(event.seq);
      data.push(event.data);
    },
  };
}

/** The code of a rejection; a promise that resolves is a fault. */
export async function codeOf(promise: PromiseLike<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return 'resolved';
}
