import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type * as library from '../../shared/client/index.ts';
import { collectGarbage } from './collect-on-signal.ts';

/**
 * An application under measurement, with so many connections that all subscribe to one topic: through the client library
 * as it is built, or by a WebSocket and a parser and nothing else. Arguments: `agentwire` or `bare`, the gateway's port, how
 * many connections, how many events come before the measurement, and how many are measured. Says `{"port"` when it is
 * subscribed, and at the end what the measured events took and what the process holds.
 */
const [kind, port, connections, warmUp, measured] = process.argv.slice(2);
const url = `ws://127.0.0.1:${port}/v1/ws`;
const topic = 'bench.library';
const settleMs = 300;
const first = Number(connections) * Number(warmUp);
const last = first + Number(connections) * Number(measured);

interface Event {
  readonly seq: number;
  readonly data: string;
}

let came = 0;
let fault = '';
let before = process.cpuUsage();

function say(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function end(): Promise<void> {
  const { user, system } = process.cpuUsage(before);
  // The second collection takes what the finalisers of the first set free.
  collectGarbage();
  await sleep(settleMs);
  collectGarbage();
  // Not the pages of the process: how many V8 keeps differs from run to run by more than 1,000 connections take.
  const { heapUsed, external } = process.memoryUsage();
  say({ micros: user + system, bytes: heapUsed + external, fault });
}

/** What an application would do with an event costs both sides the same: next to nothing. */
function handlerOfOne(): (event: Event) => void {
  let next = 1;
  return ({ seq, data }) => {
    if (seq !== next++ || data.length !== 198) fault ||= `event ${seq} came where ${next - 1} was due`;
    came += 1;
    if (came === first) before = process.cpuUsage();
    if (came === last) void end();
  };
}

async function viaLibrary(): Promise<void> {
  const built = new URL('../../dist/shared/client/index.js', import.meta.url).href;
  const { AgentwireClient } = (await import(built)) as typeof library;
  const client = new AgentwireClient({ url, WebSocket });
  await client.connect();
  await client.subscribe<string>(topic, handlerOfOne());
}

function viaSocket(): Promise<void> {
  const ws = new WebSocket(url, ['agentwire.v1.json']);
  const handler = handlerOfOne();
  return new Promise((resolve) => {
    ws.onopen = () => ws.send(JSON.stringify({ type: 'subscribe', id: 1, topics: [topic] }));
    ws.onmessage = ({ data }) => {
      const frame = JSON.parse(data as string) as Event & { readonly type: string };
      if (frame.type === 'event') handler(frame);
      else if (frame.type === 'ok') resolve();
      else fault ||= JSON.stringify(frame);
    };
  });
}

const connect = kind === 'bare' ? viaSocket : viaLibrary;
for (let i = 0; i < Number(connections); i++) await connect();
say({ port: 0 });

process.on('SIGTERM', () => process.exit(0));
