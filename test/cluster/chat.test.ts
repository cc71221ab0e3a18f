import { expect, onTestFinished, test } from 'vitest';
import { join } from '../support/client.ts';
import type { Frame, TestClient } from '../support/client.ts';
import { startGatewayProcess, startWorkerProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';

const text = (frames: readonly Frame[]): string => frames.map(({ content }) => content).join('');
const texts = (name: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${name} ${i} `);

/**
 * A run is announced in its session before it has a record, and another gateway may hear of it in between: a chat that
 * then took it for a run that is not there would show nothing of it.
 */
test('a chat sees every run of its session, whichever gateway it was started at', { timeout: 120_000 }, async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const { url } = redis;
  const env = { REDIS_URL: url, AGENTWIRE_DEFAULT_AGENT: 'echo', AGENTWIRE_CHAT_AGENT: 'echo' };
  const [one, other] = await Promise.all([startGatewayProcess(env), startGatewayProcess(env), startWorkerProcess(env)]);
  const chat = await join(one.port, { path: '/ws', bare: true });
  const session = String((await chat.waitFor(({ type }) => type === 'connection_established'))['sessionId']);
  const ends = (client: TestClient, count: number): Promise<void> =>
    client.until(() => client.of('stream_end').length === count, `${count} ends`);

  const said = texts('message', 30);
  for (const content of said) chat.sendAsIs({ type: 'user_message', content, sessionId: session });
  await ends(chat, said.length);

  const second = await join(other.port, { path: `/ws?sessionId=${session}`, bare: true });
  await second.waitFor(({ type }) => type === 'connection_established');
  const runs = await join(other.port, { path: `/api/v1/sessions/${session}/run/ws`, bare: true });
  const run = texts('run', 40);
  // One at a time: each is announced to a gateway that has nothing else to do.
  for (const [i, input] of run.entries()) {
    runs.sendAsIs({ type: 'run', newMessage: { parts: [{ text: input }] } });
    await Promise.all([ends(chat, said.length + i + 1), ends(second, i + 1)]);
  }
  expect(text(chat.of('stream_chunk'))).toBe([...said, ...run].join(''));
  expect(text(second.of('stream_chunk'))).toBe(run.join(''));
  expect([chat, second, runs].flatMap((client) => client.of('error'))).toEqual([]);
});
