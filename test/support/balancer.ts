import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Balancer {
  readonly port: number;
  /** Where new connections go, in turn; may change at any time. */
  readonly targets: number[];
  readonly connections: number;
  /** Each connection is cut with this probability, without a word; what was under way in it is lost. */
  cut(share: number): number;
  /** Connections go on to be open, but nothing comes through them any more. */
  mute(): void;
}

/** Stands between clients and gateways as a load balancer does, and cuts. Gone at the end of the test. */
export async function startBalancer(targets: number[], random: () => number = Math.random): Promise<Balancer> {
  const pairs = new Set<{ client: Socket; server: Socket; muted: boolean }>();
  let turn = 0;
  const listener = createServer((client) => {
    const target = targets[turn++ % targets.length];
    if (target === undefined) {
      client.destroy();
      return;
    }
    const server = connect(target, '127.0.0.1');
    const pair = { client, server, muted: false };
    pairs.add(pair);
    client.on('data', (data) => pair.muted || server.write(data));
    server.on('data', (data) => pair.muted || client.write(data));
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const cut = (share: number): number => {
    const chosen = [...pairs].filter(() => random() < share);
    // A reset, and not the orderly end that would let what was written arrive first.
    for (const { client, server } of chosen) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    return chosen.length;
  };
  onTestFinished(() => {
    cut(1);
    return new Promise<void>((resolve) => listener.close(() => resolve()));
  });
  return {
    port: (listener.address() as AddressInfo).port,
    targets,
    get connections() {
      return pairs.size;
    },
    cut,
    mute() {
      for (const pair of pairs) pair.muted = true;
    },
  };
}
