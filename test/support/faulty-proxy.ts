import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface FaultyProxy {
  readonly port: number;
  /** What it has done to events so far. */
  readonly done: { lost: number; repeated: number; outOfOrder: number };
  stop(): Promise<void>;
}

/** One fault in each so many events. */
const every = 100;

/** Stands between a client and a gateway, and in turn loses an event, sends one twice, and lets two change places. */
export async function startFaultyProxy(target: number): Promise<FaultyProxy> {
  const done = { lost: 0, repeated: 0, outOfOrder: 0 };
  const clients = new Set<Socket>();
  let events = 0;

  /** The frames to write in place of this one. `held` are those that let the next one go first. */
  const disturbed = (frame: Buffer, held: Buffer[]): Buffer[] => {
    if (!frame.includes('publisher')) return [frame];
    const turn = ++events % (3 * every);
    if (held.length > 0) {
      done.outOfOrder++;
      return [frame, ...held.splice(0)];
    }
    if (turn === 0) {
      done.lost++;
      return [];
    }
    if (turn === every) {
      done.repeated++;
      return [frame, frame];
    }
    // In their middle, so that there is a next one.
    if (turn === 2 * every) {
      held.push(frame);
      return [];
    }
    return [frame];
  };

  const listener = createServer((client) => {
    const server = connect(target, '127.0.0.1');
    const held: Buffer[] = [];
    let unread = Buffer.alloc(0);
    let isWebSocket: boolean | undefined;
    client.on('data', (data) => server.write(data));
    server.on('data', (data) => {
      unread = Buffer.concat([unread, data]);
      if (isWebSocket === undefined) {
        const end = unread.indexOf('\r\n\r\n');
        if (end < 0) return;
        isWebSocket = unread.toString('latin1', 0, 12) === 'HTTP/1.1 101';
        if (isWebSocket) client.write(unread.subarray(0, end + 4));
        if (isWebSocket) unread = unread.subarray(end + 4);
      }
      if (!isWebSocket) {
        client.write(unread);
        unread = Buffer.alloc(0);
        return;
      }
      for (let length = frameLength(unread); length <= unread.length; length = frameLength(unread)) {
        for (const frame of disturbed(Buffer.from(unread.subarray(0, length)), held)) client.write(frame);
        unread = unread.subarray(length);
      }
    });
    const end = (): void => {
      done.lost += held.splice(0).length;
      clients.delete(client);
      client.destroy();
      server.destroy();
    };
    clients.add(client);
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    port: (listener.address() as AddressInfo).port,
    done,
    stop() {
      for (const client of clients) client.destroy();
      return new Promise((resolve) => listener.close(() => resolve()));
    },
  };
}

/** Of the first frame of a server, header included; infinite where not even its header is there. */
function frameLength(bytes: Buffer): number {
  const short = bytes.length < 2 ? 0 : bytes[1]! & 0x7f;
  const header = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < header) return Infinity;
  if (short === 126) return header + bytes.readUInt16BE(2);
  return header + (short === 127 ? Number(bytes.readBigUInt64BE(2)) : short);
}
