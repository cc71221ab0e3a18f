import { expect, onTestFinished, test } from 'vitest';
import { CommandClient } from '../support/checkpoint-commands.ts';
import { join } from '../support/client.ts';
import { stressCommands } from '../support/command-stress.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';

async function twoGateways(env: Record<string, string> = {}): Promise<[GatewayProcess, GatewayProcess]> {
  const redis = await startRedis();
  // What outlives a test may keep the whole run from ending.
  onTestFinished(() => redis.stop());
  const { url } = redis;
  return Promise.all([
    startGatewayProcess({ REDIS_URL: url, ...env }),
    startGatewayProcess({ REDIS_URL: url, ...env }),
  ]);
}

test('what is done at one gateway is heard at the other, in whichever dialect', { timeout: 60_000 }, async () => {
  const [one, other] = await twoGateways();
  const client = await CommandClient.enter(one.port);
  const far = await CommandClient.enter(other.port);
  const native = await join(other.port);
  const session = await client.createSession('research');
  const told = { session_id: session, name: 'research', timestamp: expect.any(String) as string };
  for (const each of [client, far]) expect(await each.gather('session_created', 1)).toEqual([told]);

  await far.ask('subscribe', { session_id: session });
  await native.request({ type: 'subscribe', topics: [`session.${session}.checkpoints`] });
  const first = await client.checkpoint({ session_id: session, message: 'first', state: { step: 1 } });
  expect(await far.gather('checkpoint_created', 1)).toMatchObject([{ checkpoint_id: first, session_id: session }]);
  const [event] = await native.gather(1);
  expect(event).toMatchObject({ seq: 1, data: { kind: 'created', checkpoint: first, label: 'first' } });

  await client.ask('subscribe', { session_id: session });
  await native.request({ type: 'checkpoint.create', session, label: 'over native' });
  await native.request({ type: 'checkpoint.restore', checkpoint: first });
  await native.request({ type: 'checkpoint.delete', checkpoint: first });
  for (const each of [client, far]) {
    expect(await each.gather('checkpoint_deleted', 1)).toMatchObject([{ checkpoint_id: first }]);
    expect(each.of('checkpoint_restored')).toMatchObject([{ checkpoint_id: first }]);
  }
  const kept = await client.list(session);
  expect(kept.map(({ message }) => message)).toContain('over native');
  expect(await far.list(session)).toEqual(kept);
});

test('an identity hears of its own sessions at every gateway, and of no others', { timeout: 60_000 }, async () => {
  const tokens = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'ada-token=ada@example.org,bob-token=bob' };
  const [one, other] = await twoGateways(tokens);
  const ada = await CommandClient.enter(one.port);
  await ada.ask('authenticate', { token: 'ada-token' });
  const far = await CommandClient.enter(other.port, '/checkpoints/ws?token=ada-token');
  const bob = await CommandClient.enter(other.port, '/', { authorization: 'Bearer bob-token' });
  await bob.createSession("bob's");
  await ada.createSession("ada's");
  const names = (client: CommandClient): unknown[] => client.of('session_created').map(({ name }) => name);
  for (const client of [ada, far, bob]) await client.gather('session_created', 1);
  expect([ada, far, bob].map(names)).toEqual([["ada's"], ["ada's"], ["bob's"]]);
});

test('ten thousand commands in one go are each answered once', { timeout: 180_000 }, async () => {
  const [one, other] = await twoGateways();
  expect(await stressCommands(one.port, other.port)).toBe(10_000);
});
