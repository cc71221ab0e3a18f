import { expect, test } from 'vitest';
import { join } from '../../support/client.ts';
import type { Frame, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { InProcess } from '../../support/in-process.ts';
import { startWorker } from '../../support/worker.ts';

async function start(env: Record<string, string> = {}): Promise<InProcess> {
  const gateway = await startGateway({ AGENTWIRE_DEFAULT_AGENT: 'echo', ...env });
  await startWorker(gateway.engine);
  return gateway;
}

function enter(port: number, session: string, headers: Record<string, string> = {}): Promise<TestClient> {
  return join(port, { path: `/api/v1/sessions/${session}/run/ws`, bare: true, headers });
}

/** Without the id that every native request has: this dialect has none. */
function say(client: TestClient, frame: Record<string, unknown>): void {
  client.sendAsIs(frame);
}

function run(client: TestClient, text: string, agent?: string): void {
  say(client, { type: 'run', newMessage: { role: 'user', parts: [{ text }] }, ...(agent ? { agent } : {}) });
}

async function started(client: TestClient, which = 0): Promise<string> {
  await client.until(() => client.of('started').length > which, 'the start of a run');
  return client.of('started')[which]!['invocationId'] as string;
}

function ofRun(client: TestClient, invocation: string): Frame[] {
  return client.frames.filter((frame) => frame['invocationId'] === invocation);
}

function ended(client: TestClient, invocation: string): Promise<Frame> {
  const ends = ['completed', 'cancelled', 'error'];
  return client.waitFor((frame) => frame['invocationId'] === invocation && ends.includes(frame.type), 'the end');
}

function textOf(frames: readonly Frame[]): string {
  const events = frames.map(({ data }) => (data ?? {}) as { kind?: string; text?: string });
  return events.map(({ kind, text = '' }) => (kind === 'chunk' ? text : '')).join('');
}

const session = 's-1';
const slow = JSON.stringify({ from: 1000, intervalMs: 20 });

test('a run from its start to its end', async () => {
  const { port } = await start();
  const client = await enter(port, session);
  run(client, 'good morning');
  const invocationId = await started(client);
  await ended(client, invocationId);
  const event = (data: object): Frame => ({ type: 'event', invocationId, data });
  expect(client.frames).toEqual([
    { type: 'started', invocationId, sessionId: session },
    event({ kind: 'queued' }),
    event({ kind: 'started', attempt: 1 }),
    event({ kind: 'chunk', text: 'good ' }),
    event({ kind: 'chunk', text: 'morning' }),
    { type: 'completed', invocationId },
  ]);
});

test('runs of one connection come one after the other, and the session keeps what was said', async () => {
  const { port, http } = await start();
  const client = await enter(port, session);
  const texts = ['one', '{"text":"two"}', 'three', 'four', 'five'];
  for (const text of texts) run(client, text, 'echo');
  await client.until(() => client.of('completed').length === texts.length, 'all ends');
  const order = client.of('started').map(({ invocationId }) => invocationId as string);
  expect(order.map((invocation) => textOf(ofRun(client, invocation)))).toEqual(['one', 'two', 'three', 'four', 'five']);
  expect(client.of('completed').map(({ invocationId }) => invocationId)).toEqual(order);
  const said = async (): Promise<unknown[]> => {
    const { json } = await http('GET', `/v1/sessions/${session}/messages`);
    const { messages } = json<{ messages: { role: string; content: unknown }[] }>();
    return messages.filter(({ role }) => role === 'user').map(({ content }) => content);
  };
  await expect.poll(said).toEqual(texts);
});

test('all who watch a run see all of it, over whichever protocol, and each may stop it', async () => {
  const { port, http } = await start();
  const client = await enter(port, session);
  run(client, slow, 'countdown');
  const invocationId = await started(client);
  const other = await enter(port, session);
  say(other, { type: 'attach', invocationId });
  const native = await join(port);
  await native.request({ type: 'attach', invocation: invocationId });
  await other.waitFor(({ data }) => (data as { kind?: string } | undefined)?.kind === 'chunk');
  await native.waitFor(({ data }) => (data as { kind?: string } | undefined)?.kind === 'chunk');

  say(other, { type: 'status', invocationId });
  expect(await other.waitFor(({ type }) => type === 'status')).toEqual({
    type: 'status',
    invocationId,
    status: 'running',
  });
  expect((await http('POST', `/v1/runs/${invocationId}/cancel`)).status).toBe(200);
  await Promise.all([ended(client, invocationId), ended(other, invocationId)]);
  await native.until(() => native.events.some(({ data }) => (data as { kind: string }).kind === 'cancelled'));

  expect(other.frames.filter(({ type }) => type !== 'status')).toEqual(client.frames);
  expect(client.frames.at(-1)).toEqual({ type: 'cancelled', invocationId });
  const events = native.events.map(({ data }) => data as { kind: string });
  expect(events.slice(0, -1)).toEqual(client.of('event').map(({ data }) => data));

  say(client, { type: 'status', invocationId });
  expect((await client.waitFor(({ type }) => type === 'status'))['status']).toBe('cancelled');
  say(client, { type: 'cancel', invocationId });
  expect((await client.waitFor(({ type }) => type === 'error'))['invocationId']).toBe(invocationId);
});

test('a cancel shows its end to a client that has not got the run before, and what it has got comes once', async () => {
  const { port } = await start();
  const [client, other] = await Promise.all([enter(port, session), enter(port, session)]);
  run(client, slow, 'countdown');
  const invocationId = await started(client);
  await client.waitFor(({ data }) => (data as { kind?: string } | undefined)?.kind === 'chunk');
  say(client, { type: 'cancel', invocationId });
  say(other, { type: 'cancel', invocationId });
  await Promise.race([ended(client, invocationId), ended(other, invocationId)]);
  await ended(client, invocationId);
  expect(client.of('cancelled')).toHaveLength(1);
  expect(client.frames.filter(({ data }) => (data as { kind?: string } | undefined)?.kind === 'queued')).toHaveLength(
    1,
  );
  await ended(other, invocationId);
});

test('a run that fails ends with an error that names it', async () => {
  const { port } = await start();
  const client = await enter(port, session);
  run(client, '{"message":"out of luck"}', 'fail');
  const invocationId = await started(client);
  expect(await ended(client, invocationId)).toEqual({ type: 'error', message: 'out of luck', invocationId });
});

test('a run of another session, or none, is no business of this one', async () => {
  const { port } = await start();
  const [client, other] = await Promise.all([enter(port, session), enter(port, 's-2')]);
  run(client, slow, 'countdown');
  const invocationId = await started(client);
  for (const type of ['status', 'cancel', 'attach']) say(other, { type, invocationId });
  say(other, { type: 'status', invocationId: 'no-such-run' });
  run(other, 'hi', 'no-such-agent');
  await other.until(() => other.frames.length === 5);
  expect(other.frames.map(({ type }) => type)).toEqual(Array.from({ length: 5 }, () => 'error'));
  say(client, { type: 'cancel', invocationId });
  await ended(client, invocationId);
});

test('the session of a path belongs to whoever used it first', async () => {
  const { port } = await start({ AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'ada-token=ada,bob-token=bob' });
  const ada = await enter(port, session, { authorization: 'Bearer ada-token' });
  run(ada, 'mine');
  const invocationId = await started(ada);
  await ended(ada, invocationId);
  const bob = await enter(port, session, { authorization: 'Bearer bob-token' });
  run(bob, 'mine, too');
  say(bob, { type: 'status', invocationId });
  await bob.until(() => bob.frames.length === 2);
  expect(bob.of('error')).toHaveLength(2);
  const nobody = await enter(port, session);
  expect((await nobody.end()).code).toBe(4401);
  expect(nobody.of('error')).toHaveLength(1);
});

test('ten frames in a row that cannot be read close the connection, and not one before', async () => {
  const { port } = await start();
  const client = await enter(port, session);
  for (let i = 0; i < 9; i += 1) client.socket.send('{');
  run(client, 'still here');
  await ended(client, await started(client));
  for (let i = 0; i < 10; i += 1) client.socket.send('[]');
  expect((await client.end()).code).toBe(4400);
  expect(client.of('error')).toHaveLength(19);
});

test('a path with an odd session is refused with a word', async () => {
  const { port } = await start();
  const client = await enter(port, 'a%20b');
  expect((await client.end()).code).toBe(4400);
  expect(client.of('error')).toHaveLength(1);
});
