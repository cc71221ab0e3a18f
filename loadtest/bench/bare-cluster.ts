import { Redis } from 'ioredis';
import { App, us_socket_local_port } from 'uWebSockets.js';
import type { us_socket, WebSocket } from 'uWebSockets.js';

/**
 * The control of what goes through Redis: uWebSockets.js and the plain append script, one event a call, with nothing in
 * between. Run once for each node, with the port of Redis. It speaks as bare-server.ts does.
 */
const plus = 0x2b;
const space = 0x20;

const address = { host: '127.0.0.1', port: Number(process.argv[2]) };
// One system call for all commands of a turn: without it the control would be a third slower than it need be.
const commands = new Redis({ ...address, enableAutoPipelining: true });
const subscriber = new Redis(address);
commands.defineCommand('append', {
  numberOfKeys: 2,
  lua: `
local seq = redis.call('INCR', KEYS[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 1000, seq .. '-0', 'e', ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[1])
return seq`,
});
type Append = (counter: string, stream: string, event: string, channel: string) => Promise<number>;
const append = (commands as unknown as { append: Append }).append.bind(commands);

const app = App();
subscriber.on('messageBuffer', (channel: Buffer, event: Buffer) => {
  app.publish(channel.toString('latin1'), event, false);
});

async function subscribe(ws: WebSocket<unknown>, topic: string): Promise<void> {
  ws.subscribe(topic);
  await subscriber.subscribe(topic);
  ws.send('{"type":"ok"}');
}

async function publish(ws: WebSocket<unknown>, topic: string, event: string): Promise<void> {
  // The measurement closes a connection only when everything it sent was answered.
  ws.send(`{"type":"ok","seq":${await append(`${topic}:seq`, `${topic}:log`, event, topic)}}`);
}

app.ws('/*', {
  maxBackpressure: 64 * 1024,
  idleTimeout: 0,
  sendPingsAutomatically: false,
  message(ws, message) {
    const bytes = Buffer.from(message);
    if (bytes[0] === plus) {
      void subscribe(ws, bytes.toString('latin1', 1));
      return;
    }
    // Text, because ioredis sends arguments of text at half the cost of buffers.
    const end = bytes.indexOf(space);
    void publish(ws, bytes.toString('latin1', 0, end), bytes.toString('latin1', end + 1));
  },
});
app.listen('127.0.0.1', 0, (socket) => {
  if (!socket) throw new Error('no free port');
  process.stdout.write(`{"port":${us_socket_local_port(socket as unknown as us_socket)}}\n`);
});

process.on('SIGTERM', () => process.exit(0));
