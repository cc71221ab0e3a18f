import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { join } from '../support/client.ts';
import { startGatewayProcess } from '../support/gateway-process.ts';
import { startRedis } from '../support/redis-server.ts';
import { listen, SseClient } from '../support/sse.ts';

const drainMs = 6000;
/**
 * Ends after the first of them would have been closed, had they a way back, and two seconds before the drain is over:
 * one second was too little for a machine that was busy with other work.
 */
const input = { text: Array.from({ length: 20 }, (_, i) => `word${i} `).join(''), delayMs: 210 };
const env = { AGENTWIRE_DRAIN_MS: String(drainMs), AGENTWIRE_CHAT_AGENT: 'echo', AGENTWIRE_DEFAULT_AGENT: 'echo' };

async function onRedis(): Promise<Record<string, string>> {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  return { ...env, REDIS_URL: redis.url };
}

const places = [
  { what: 'one process', start: () => startGatewayProcess(env, 'standalone') },
  {
    what: 'two processes on Redis',
    start: async () => startGatewayProcess({ ...(await onRedis()), AGENTWIRE_PROCESSES: '2' }, 'standalone'),
  },
];

/** None of them could go on with its run elsewhere, as a native client could. */
it.each(places)(
  'runs stream to their end for those who have no way back, while the broker in $what drains',
  async ({ start }) => {
    const gateway = await start();
    const { port } = gateway;
    const chat = await join(port, { path: '/ws', bare: true });
    const greeting = await chat.waitFor(({ type }) => type === 'connection_established');
    const sessionId = greeting['sessionId'];
    chat.sendAsIs({ type: 'user_message', sessionId, content: JSON.stringify(input) });
    await chat.waitFor(({ type }) => type === 'stream_chunk');
    const agentRun = await join(port, { path: '/api/v1/sessions/s1/run/ws', bare: true });
    const newMessage = { role: 'user', parts: [{ text: JSON.stringify(input) }] };
    agentRun.sendAsIs({ type: 'run', sessionId: 's1', newMessage });
    await agentRun.waitFor(({ type }) => type === 'event');
    const streamed = await post(port, '/api/v1/sessions/s2/run/sse', { newMessage });
    await streamed.gather(1);

    gateway.signal('SIGTERM');
    while ((await gateway.http('GET', '/readyz')).status === 200);
    // Whichever process is asked.
    for (let i = 0; i < 8; i += 1) expect((await gateway.http('GET', '/readyz')).status).toBe(503);
    expect(await chat.end()).toMatchObject({ code: 1001 });
    expect(chat.frames.map(({ type }) => type).at(-1)).toBe('stream_end');
    const chunks = chat.of('stream_chunk').map(({ content }) => content);
    expect(chunks.join('')).toBe(input.text);
    expect(await agentRun.end()).toMatchObject({ code: 1001 });
    expect(agentRun.frames.at(-1)).toMatchObject({ type: 'completed' });
    await streamed.end();
    expect(streamed.response.complete).toBe(true);
    expect(streamed.all.at(-1)?.data).toMatchObject({ type: 'completed' });
    expect(await gateway.exited).toBe(0);
  },
);

it('a drain lets a replay and a request be finished', async () => {
  const gateway = await startGatewayProcess({ ...(await onRedis()), AGENTWIRE_DRAIN_MS: '10000' });
  const { port, http } = gateway;
  const publisher = await join(port);
  const data = 'x'.repeat(10_000);
  for (let i = 0; i < 1000; i += 1) publisher.send({ type: 'publish', topic: 'r.1', data });
  await publisher.until(() => publisher.frames.length === 1000);
  await publisher.close();
  const slow = await join(port);
  slow.pause();
  slow.send({ type: 'subscribe', topics: [{ topic: 'r.1', since: 'earliest' }] });
  // They are closed in the order in which they came.
  const next = await join(port);
  await Promise.all(Array.from({ length: 8 }, () => join(port)));
  const stream = await listen(port, '/v1/topics/r.1/events?after=0');
  await stream.gather(1000);

  gateway.signal('SIGTERM');
  while ((await http('GET', '/readyz')).status === 200);
  expect((await http('POST', '/v1/topics/r.2/publish', { data: 'late' })).status).toBe(200);
  expect(await next.end()).toMatchObject({ code: 1001 });
  slow.resume();
  expect(await slow.end()).toMatchObject({ code: 1001 });
  expect(slow.events).toHaveLength(1000);
  await stream.end();
  expect([stream.response.complete, stream.lastId]).toEqual([true, stream.events.at(-1)?.id]);
  expect(await gateway.exited).toBe(0);
});

/** A POST that is answered with a stream. */
async function post(port: number, path: string, body: unknown): Promise<SseClient> {
  const asked = request({ host: '127.0.0.1', port, path, method: 'POST', agent: false });
  onTestFinished(() => void asked.destroy());
  asked.on('error', () => {});
  asked.end(JSON.stringify(body));
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  return new SseClient(response);
}
