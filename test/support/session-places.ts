import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { onTestFinished } from 'vitest';
import { AgentwireClient } from '../../shared/client/index.ts';
import { startGatewayProcess } from './gateway-process.ts';
import { startRunCluster } from './run-cluster.ts';

const env = { AGENTWIRE_AGENTS: fileURLToPath(new URL('saving-agent.ts', import.meta.url)) };

/** Where sessions are kept, and two clients that must not notice which: they know of each other by what is kept only. */
export const sessionPlaces: readonly { on: string; start: () => Promise<[AgentwireClient, AgentwireClient]> }[] = [
  {
    on: 'two gateways with Redis',
    async start() {
      const { gateways } = await startRunCluster({ env });
      return Promise.all([libraryAt(gateways[0]!.port), libraryAt(gateways[1]!.port)]);
    },
  },
  {
    on: 'one process',
    async start() {
      const { port } = await startGatewayProcess(env, 'standalone');
      return Promise.all([libraryAt(port), libraryAt(port)]);
    },
  },
];

/** Connected, and closed at the end of the test. */
export async function libraryAt(port: number): Promise<AgentwireClient> {
  const client = new AgentwireClient({ url: `ws://127.0.0.1:${port}`, WebSocket, requestTimeoutMs: 30_000 });
  onTestFinished(() => client.close());
  await client.connect();
  return client;
}

export async function listed<Item>(list: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of list) items.push(item);
  return items;
}

/** `ok`, or the code that it was refused with. */
export async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return 'ok';
}
