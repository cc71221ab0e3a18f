import { App, us_socket_local_port } from 'uWebSockets.js';
import type { us_socket } from 'uWebSockets.js';

/**
 * The control of what one node does: uWebSockets.js with nothing around it. `+topic` subscribes; `topic bytes`
 * publishes the bytes as they are, by native publish, and is answered.
 */
const plus = 0x2b;
const space = 0x20;

const app = App();
app.ws('/*', {
  // As much as the gateway's connections are given to wait; the load stays far below it.
  maxBackpressure: 64 * 1024,
  idleTimeout: 0,
  sendPingsAutomatically: false,
  message(ws, message) {
    const bytes = Buffer.from(message);
    if (bytes[0] === plus) {
      ws.subscribe(bytes.toString('latin1', 1));
      ws.send('{"type":"ok"}');
      return;
    }
    const end = bytes.indexOf(space);
    app.publish(bytes.toString('latin1', 0, end), bytes.subarray(end + 1), false);
    ws.send('{"type":"ok"}');
  },
});
app.listen('127.0.0.1', 0, (socket) => {
  if (!socket) throw new Error('no free port');
  process.stdout.write(`{"port":${us_socket_local_port(socket as unknown as us_socket)}}\n`);
});

process.on('SIGTERM', () => process.exit(0));
