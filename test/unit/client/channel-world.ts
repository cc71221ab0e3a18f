import { onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { AgentwireClient } from '../../../shared/client/index.ts';
import { startBalancer } from '../../support/balancer.ts';
import type { Balancer } from '../../support/balancer.ts';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess } from '../../support/in-process.ts';

export interface World {
  readonly gateway: InProcess;
  /** In front of it, and able to cut. */
  readonly balancer: Balancer;
  readonly connect: () => Promise<AgentwireClient>;
}

/** As long as it takes on a machine that has much to do. */
export const until = (comes: () => void | Promise<void>): Promise<void> => vi.waitFor(comes, { timeout: 20_000 });

export async function world(env: Record<string, string> = {}): Promise<World> {
  const gateway = await startGateway(env);
  const balancer = await startBalancer([gateway.port]);
  const connect = async (): Promise<AgentwireClient> => {
    const client = new AgentwireClient({ url: `ws://127.0.0.1:${balancer.port}`, WebSocket, random: () => 0 });
    onTestFinished(() => client.close());
    await client.connect();
    return client;
  };
  return { gateway, balancer, connect };
}
