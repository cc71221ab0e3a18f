import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { App, us_socket_local_port } from 'uWebSockets.js';
import type { us_socket, WebSocket } from 'uWebSockets.js';
import { cancelChannel, endOf, queueName } from './bare-run.ts';
import type { Asked } from './bare-run.ts';

/**
 * The control of runs, on the clients' side: uWebSockets.js, BullMQ's own queue and a channel for each run, with nothing
 * in between: no record, no list of what runs, no way back to the events of a run. Run with the port of Redis. It speaks
 * as a gateway of ours does, as far as a measurement needs it.
 */
interface Frame {
  readonly type: 'run' | 'cancel';
  readonly id: number;
  readonly invocation: string;
  readonly input: string | Asked;
}

const address = { host: '127.0.0.1', port: Number(process.argv[2]) };
// One system call for all commands of a turn: without it the control would be slower than it need be.
const commands = new Redis({ ...address, enableAutoPipelining: true });
const subscriber = new Redis(address);
const queue = new Queue<Asked>(queueName, {
  connection: address,
  defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
});
const followers = new Map<string, WebSocket<unknown>>();

async function run(ws: WebSocket<unknown>, { id, input }: Frame): Promise<void> {
  const invocation = randomUUID();
  await subscriber.subscribe(invocation);
  followers.set(invocation, ws);
  ws.send(`{"type":"ok","id":${id},"result":{"invocation":"${invocation}"}}`);
  await queue.add('run', typeof input === 'string' ? { text: input } : input, { jobId: invocation });
}

subscriber.on('message', (invocation: string, event: string) => {
  followers.get(invocation)?.send(event);
  if (!endOf(event)) return;
  followers.delete(invocation);
  void subscriber.unsubscribe(invocation);
});

const app = App();
app.ws('/*', {
  idleTimeout: 0,
  sendPingsAutomatically: false,
  message(ws, message) {
    const frame = JSON.parse(Buffer.from(message).toString()) as Frame;
    if (frame.type === 'run') void run(ws, frame);
    else void commands.publish(cancelChannel, frame.invocation);
  },
});
app.listen('127.0.0.1', 0, (socket) => {
  if (!socket) throw new Error('no free port');
  process.stdout.write(`{"port":${us_socket_local_port(socket as unknown as us_socket)}}\n`);
});

process.on('SIGTERM', () => process.exit(0));
