import { expect, test } from 'vitest';
import { watchedRuns } from '../../../services/gateway/dialects/chat/watched.ts';
import type { Agent } from '../../../services/worker/agent.ts';
import { join } from '../../support/client.ts';
import type { Frame, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess } from '../../support/in-process.ts';
import { until } from '../../support/sse.ts';
import { startWorker } from '../../support/worker.ts';

async function start(env: Record<string, string> = {}): Promise<InProcess> {
  const gateway = await startGateway({ AGENTWIRE_CHAT_AGENT: 'echo', ...env });
  await startWorker(gateway.engine);
  return gateway;
}

interface Talk {
  readonly client: TestClient;
  readonly session: string;
}

async function enter(port: number, session = '', headers: Record<string, string> = {}): Promise<Talk> {
  const path = session === '' ? '/ws' : `/ws?sessionId=${session}`;
  const client = await join(port, { path, bare: true, headers });
  const greeting = await client.waitFor(({ type }) => type === 'connection_established', 'the greeting');
  expect(Object.keys(greeting)).toEqual(['type', 'sessionId', 'content']);
  expect(client.frames[0]).toBe(greeting);
  return { client, session: greeting['sessionId'] as string };
}

function say({ client, session }: Talk, content: string, thread?: string): void {
  client.sendAsIs({ type: 'user_message', content, sessionId: session, ...(thread === undefined ? {} : { thread }) });
}

function ends(client: TestClient, count: number): Promise<void> {
  return client.until(() => client.of('stream_end').length === count, `${count} ends`);
}

function answers(client: TestClient): string[] {
  const texts: string[] = [];
  for (const { type, content } of client.frames) {
    if (type === 'stream_start') texts.push('');
    else if (type === 'stream_chunk') texts.push(texts.pop() + String(content));
  }
  return texts;
}

const slow = JSON.stringify({ text: 'one two three four', delayMs: 60_000 });

test('a message is answered piece by piece, and both are kept', async () => {
  const { port, http } = await start();
  const talk = await enter(port);
  const { client, session } = talk;
  say(talk, 'good morning', 'aside');
  await ends(client, 1);
  const frame = (type: string, content: string): Frame => ({ type, sessionId: session, content });
  expect(client.frames.slice(1)).toEqual([
    frame('stream_start', ''),
    frame('stream_chunk', 'good '),
    frame('stream_chunk', 'morning'),
    frame('stream_end', ''),
  ]);
  // They are put there once, when the run has ended.
  const kept = async (): Promise<unknown> => (await http('GET', `/v1/sessions/${session}/messages`)).json()['messages'];
  await expect.poll(kept).toMatchObject([
    { thread: 'aside', role: 'user', content: 'good morning' },
    { thread: 'aside', role: 'assistant', content: 'good morning' },
  ]);
});

test('messages sent in one go are answered in their order', async () => {
  const { port } = await start();
  const talk = await enter(port);
  const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
  for (const text of texts) say(talk, text);
  await ends(talk.client, texts.length);
  expect(answers(talk.client)).toEqual(texts);
});

test('a client that comes back while an answer is written gets it from its beginning', async () => {
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  const gated: Agent = {
    name: 'gated',
    description: 'says one thing, and another when it may',
    async *run() {
      yield 'one ';
      await gate;
      yield 'two';
    },
  };
  const gateway = await startGateway({ AGENTWIRE_CHAT_AGENT: 'gated' });
  await startWorker(gateway.engine, { agents: [gated] });
  const before = await enter(gateway.port);
  say(before, 'go on');
  await before.client.waitFor(({ type }) => type === 'stream_chunk');
  before.client.cut();
  const after = await enter(gateway.port, before.session);
  expect(after.session).toBe(before.session);
  await after.client.waitFor(({ type }) => type === 'stream_chunk');
  go();
  await ends(after.client, 1);
  expect(answers(after.client)).toEqual(['one two']);
});

test('runs of the session that others start are seen by all of its chats', async () => {
  const { port } = await start();
  const one = await enter(port);
  say(one, 'first');
  await ends(one.client, 1);
  const two = await enter(port, one.session);
  const native = await join(port);
  await native.request({ type: 'run', agent: 'echo', input: 'over native', session: one.session });
  await Promise.all([ends(one.client, 2), ends(two.client, 1)]);
  const runs = await join(port, { path: `/api/v1/sessions/${one.session}/run/ws`, bare: true });
  runs.sendAsIs({ type: 'run', agent: 'echo', newMessage: { parts: [{ text: 'over runs' }] } });
  await Promise.all([ends(one.client, 3), ends(two.client, 2)]);
  say(two, 'last');
  await Promise.all([ends(one.client, 4), ends(two.client, 3)]);
  expect(answers(one.client)).toEqual(['first', 'over native', 'over runs', 'last']);
  expect(answers(two.client)).toEqual(['over native', 'over runs', 'last']);
});

test('an answer that fails ends with an error', async () => {
  const { port } = await start({ AGENTWIRE_CHAT_AGENT: 'fail' });
  const talk = await enter(port);
  say(talk, '{"message":"out of luck"}');
  const error = await talk.client.waitFor(({ type }) => type === 'error');
  expect(error).toEqual({ type: 'error', sessionId: talk.session, error: 'out of luck' });
});

test('a cancel stops what is being answered and what waits', async () => {
  const { port, http } = await start();
  const talk = await enter(port);
  say(talk, slow);
  await talk.client.waitFor(({ type }) => type === 'stream_chunk');
  say(talk, 'never answered');
  talk.client.sendAsIs({ type: 'cancel', sessionId: talk.session });
  await ends(talk.client, 1);
  const error = await talk.client.waitFor(({ type }) => type === 'error');
  expect(error['error']).toContain('cancelled before it was answered');
  const { invocations } = (await http('GET', `/v1/runs?session=${talk.session}`)).json<{
    invocations: { state: string }[];
  }>();
  expect(invocations.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
});

test('connections that say nothing leave no session, one that comes back has it', async () => {
  const { port, http } = await start();
  const { client, session } = await enter(port);
  expect((await http('GET', `/v1/sessions/${session}`)).status).toBe(404);
  client.cut();
  const again = await enter(port, session);
  expect(again.session).toBe(session);
  expect((await http('GET', `/v1/sessions/${session}`)).status).toBe(200);
});

test("another's session is refused, with and without a message", async () => {
  const { port } = await start({ AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'ada-token=ada,bob-token=bob' });
  const bearer = (name: string): Record<string, string> => ({ authorization: `Bearer ${name}-token` });
  const ada = await enter(port, '', bearer('ada'));
  say(ada, 'mine');
  await ends(ada.client, 1);
  const path = `/ws?sessionId=${ada.session}`;
  const bob = await join(port, { path, bare: true, headers: bearer('bob') });
  expect((await bob.end()).code).toBe(4401);
  expect(bob.frames.map(({ type }) => type)).toEqual(['error']);
  const guest = await enter(port, '', bearer('bob'));
  say({ client: guest.client, session: ada.session }, 'mine, too');
  expect((await guest.client.waitFor(({ type }) => type === 'error'))['sessionId']).toBe(guest.session);
  const nobody = await join(port, { path: '/ws', bare: true });
  expect((await nobody.end()).code).toBe(4401);
});

test('what cannot be said is refused, and the talk goes on; ten frames that cannot be read end it', async () => {
  const { port } = await start({ AGENTWIRE_MAX_FRAME_BYTES: '2048' });
  const talk = await enter(port);
  const { client } = talk;
  say(talk, '');
  client.sendAsIs({ type: 'user_message', sessionId: talk.session });
  client.sendAsIs({ type: 'what' });
  client.socket.send('{');
  client.socket.send(Buffer.from([1, 2]));
  say(talk, 'hello');
  await ends(client, 1);
  expect(client.of('error')).toHaveLength(5);
  for (let i = 0; i < 10; i += 1) client.socket.send('[]');
  expect((await client.end()).code).toBe(4400);
  const other = await enter(port, talk.session);
  say(other, 'x'.repeat(3000));
  expect((await other.client.end()).code).toBe(1009);
});

test('when all have left, nothing of their runs is remembered', async () => {
  const { port } = await start();
  const one = await enter(port);
  say(one, 'hello');
  await ends(one.client, 1);
  const two = await enter(port, one.session);
  say(two, 'hello');
  await Promise.all([ends(one.client, 2), ends(two.client, 1)]);
  expect(watchedRuns.size).toBeGreaterThan(0);
  await Promise.all([one.client.close(), two.client.close()]);
  await until(
    () => watchedRuns.size === 0,
    () => 'the runs to be forgotten',
  );
});
