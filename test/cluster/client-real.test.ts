import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { AgentwireClient } from '../../shared/client/index.ts';
import type { ClientOptions } from '../../shared/client/index.ts';
import { startBalancer } from '../support/balancer.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';

/** With the WebSocket that Node itself has. */
function clientAt(port: number, options: Partial<ClientOptions> = {}): AgentwireClient {
  const client = new AgentwireClient({ url: `ws://127.0.0.1:${port}`, ...options });
  onTestFinished(() => client.close());
  return client;
}

test('a connection that has gone mute is left, and nothing is missing or twice after it', async () => {
  const heartbeat = { AGENTWIRE_HEARTBEAT_MS: '100', AGENTWIRE_CLIENT_TIMEOUT_MS: '300' };
  const gateway = await startGatewayProcess(heartbeat, 'standalone');
  const balancer = await startBalancer([gateway.port]);
  const [muted, other] = [clientAt(balancer.port), clientAt(gateway.port)];
  const seen: unknown[] = [];
  await Promise.all([muted.connect(), other.connect()]);
  await muted.subscribe('a.*', ({ data }) => seen.push(data));
  await other.publish('a.b', 1);
  balancer.mute();
  await other.publish('a.b', 2);
  // Its outcome is not known when the connection goes; it must be there once all the same.
  await muted.publish('a.c', 'mine');
  await other.publish('a.b', 3);
  await vi.waitUntil(() => seen.length >= 4, { timeout: 20_000 });
  expect(seen.filter((data) => typeof data === 'number')).toEqual([1, 2, 3]);
  expect((await other.history('a.c')).events.map(({ data }) => data)).toEqual(['mine']);
});

test('a token that is refused is fetched anew', async () => {
  const gateway = await startGatewayProcess({ AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'good=me' }, 'standalone');
  const client = clientAt(gateway.port, { getToken: ({ refused }) => (refused ? 'good' : 'bad') });
  const identities: string[] = [];
  client.on('connected', ({ identity }) => identities.push(identity));
  await client.connect();
  expect(identities).toEqual(['me']);
  const stopped = clientAt(gateway.port, { token: 'bad' });
  await expect(stopped.connect()).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('a program ends by itself once its client is closed', async () => {
  const gateway = await startGatewayProcess({}, 'standalone');
  const module = fileURLToPath(new URL('../../shared/client/index.ts', import.meta.url));
  const program = `
    import { AgentwireClient } from ${JSON.stringify(module)};
    const client = new AgentwireClient({ url: 'ws://127.0.0.1:${gateway.port}' });
    await client.connect();
    await client.subscribe('a.#', () => {});
    await client.publish('a.b', 1);
    await client.close();
  `;
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', program], { stdio: 'inherit' });
  onTestFinished(() => void child.kill('SIGKILL'));
  expect(await once(child, 'exit')).toEqual([0, null]);
});
