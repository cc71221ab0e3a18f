import { expect, onTestFinished, test } from 'vitest';
import { join } from '../support/client.ts';
import type { TestClient } from '../support/client.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { httpOf } from '../support/in-process.ts';
import { startRedis } from '../support/redis-server.ts';

/** A chat listens a moment after it was greeted: what is said until all of them hear is this. */
const knock = 'are you there?';
const heard = (client: TestClient): unknown[] => client.of('stream_chunk').map(({ content }) => content);

test('an operator at one gateway is heard at both, and each session keeps it once', { timeout: 120_000 }, async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const { url } = redis;
  const env = { REDIS_URL: url, AGENTWIRE_CHAT_AGENT: 'echo' };
  const [one, other] = await Promise.all([startGatewayProcess(env), startGatewayProcess(env)]);
  const http = httpOf(`http://127.0.0.1:${one.port}`);
  const enter = async (port: number, path: string): Promise<TestClient> => {
    const client = await join(port, { path, bare: true });
    await client.waitFor(({ type }) => type === 'connection_established');
    return client;
  };
  const silent = await enter(other.port, '/ws');
  const chats = [silent, await enter(one.port, '/ws?sessionId=s-1'), await enter(other.port, '/ws?sessionId=s-1')];
  const session = String(silent.frames[0]!['sessionId']);
  await expect
    .poll(async () => {
      await http('POST', '/v1/messages', { content: knock, messageId: 'knock' });
      return chats.every((client) => heard(client).length > 0);
    })
    .toBe(true);

  const fresh = await enter(other.port, '/ws');
  const id = String(fresh.frames[0]!['sessionId']);
  await expect
    .poll(async () => (await http('POST', `/v1/sessions/${id}/messages`, { content: 'to you', messageId: 'y' })).status)
    .toBe(201);
  expect((await http('POST', '/v1/messages', { content: 'to all' })).status).toBe(202);
  expect((await http('POST', '/v1/sessions/s-1/messages', { content: 'to one' })).status).toBe(201);

  await Promise.all([...chats, fresh].map((client) => client.waitFor(({ content }) => content === 'to all')));
  await Promise.all(chats.slice(1).map((client) => client.waitFor(({ content }) => content === 'to one')));
  expect(heard(silent)).toEqual([knock, 'to all']);
  expect(heard(fresh)).toEqual(['to you', 'to all']);
  for (const client of chats.slice(1)) expect(new Set(heard(client))).toEqual(new Set([knock, 'to all', 'to one']));
  for (const client of chats.slice(1)) expect(heard(client)).toHaveLength(3);
  const kept = async (name: string): Promise<unknown[]> => {
    const page = (await http('GET', `/v1/sessions/${name}/messages`)).json<{ messages: { content: unknown }[] }>();
    return page.messages.map(({ content }) => content);
  };
  expect(await kept(session)).toEqual([knock, 'to all']);
  expect(await kept('s-1')).toEqual(heard(chats[1]!));
  expect([...chats, fresh].flatMap((client) => client.of('error'))).toEqual([]);
});
