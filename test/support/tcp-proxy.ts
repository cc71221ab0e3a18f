import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** The connections there are that have sent this text stay open, and nothing comes through them any more. */
  mute(having: string): void;
  stop(): Promise<void>;
}

/** Stands between a client and a server of this machine, and can lose what the server says without closing anything. */
export async function startProxy(target: number): Promise<TcpProxy> {
  const pairs = new Set<{ client: Socket; server: Socket; sent: string; muted: boolean }>();
  const listener = createServer((client) => {
    const server = connect(target, '127.0.0.1');
    const pair = { client, server, sent: '', muted: false };
    pairs.add(pair);
    client.on('data', (data) => {
      pair.sent += data.toString('latin1');
      if (!pair.muted) server.write(data);
    });
    server.on('data', (data) => {
      if (!pair.muted) client.write(data);
    });
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    port: (listener.address() as AddressInfo).port,
    mute(having) {
      for (const pair of pairs) if (pair.sent.includes(having)) pair.muted = true;
    },
    stop() {
      for (const { client } of pairs) client.destroy();
      return new Promise((resolve) => listener.close(() => resolve()));
    },
  };
}
