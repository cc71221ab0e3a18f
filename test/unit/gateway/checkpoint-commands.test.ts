import { expect, test } from 'vitest';
import { CommandClient } from '../../support/checkpoint-commands.ts';
import { stressCommands } from '../../support/command-stress.ts';
import { join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

const enter: typeof CommandClient.enter = (...where) => CommandClient.enter(...where);
const idsOf = (items: readonly Record<string, unknown>[]): unknown[] => items.map((item) => item['checkpoint_id']);
const sessionsOf = (items: readonly Record<string, unknown>[]): unknown[] => items.map((item) => item['session_id']);

test.each(['/', '/checkpoints/ws'])('a session, a checkpoint, a list and the figures, at %s', async (path) => {
  const { port } = await startGateway();
  const client = await enter(port, path);
  const session = await client.createSession();
  expect(await client.ask('subscribe', { session_id: session })).toEqual({ subscribed: true });
  const given = { message: 'first', tags: ['a', 'b'] };
  const id = await client.checkpoint({ session_id: session, ...given, state: { step: 1 } });
  const [event] = await client.gather('checkpoint_created', 1);
  const timestamp = String(event?.['timestamp']);
  expect(new Date(timestamp).toISOString()).toBe(timestamp);
  expect(event).toEqual({ checkpoint_id: id, session_id: session, timestamp });
  expect(await client.list(session)).toEqual([{ checkpoint_id: id, session_id: session, timestamp, ...given }]);
  expect(await client.ask('metrics')).toMatchObject({ node: { connections: 1 }, cluster: {} });
});

test('a client need not wait: what it asks for in one go happens in that order', async () => {
  const { port } = await startGateway();
  const client = await enter(port);
  const session = await client.createSession();
  client.send({ method: 'subscribe', params: { session_id: session } });
  const messages = Array.from({ length: 20 }, (_, i) => `message ${i}`);
  const asked = messages.map((message) =>
    client.send({ method: 'checkpoint', params: { session_id: session, message } }),
  );
  const listed = await client.list(session);
  const made = idsOf(asked.map((id) => client.answers.get(id)!['result'] as Record<string, unknown>));
  expect(listed.map(({ message }) => message)).toEqual(messages.toReversed());
  expect(idsOf(listed)).toEqual(made.toReversed());
  expect(idsOf(await client.gather('checkpoint_created', 20))).toEqual(made);
});

test('a session that is made is told to all of the identity, and to its maker after the answer', async () => {
  const { port, http } = await startGateway();
  const [one, two] = [await enter(port), await enter(port)];
  const heardFirst: string[] = [];
  const asked = one.send({ method: 'create_session', params: { name: 'research' } });
  await one.until(() => {
    if (one.answers.has(asked) && heardFirst.length === 0) heardFirst.push('answer');
    if (one.events.length > 0 && heardFirst.length === 0) heardFirst.push('event');
    return one.events.length > 0;
  });
  expect(heardFirst).toEqual(['answer']);
  const { result } = await one.answerTo(asked);
  const { session_id: session } = result as Record<string, unknown>;
  const told = { session_id: session, name: 'research', timestamp: expect.any(String) as string };
  for (const client of [one, two]) expect(await client.gather('session_created', 1)).toEqual([told]);
  await http('POST', '/v1/sessions', { session: 'by-http', name: 'by HTTP' });
  expect(sessionsOf(await two.gather('session_created', 2))).toEqual([session, 'by-http']);
});

test('what is done here is heard over the native protocol, and the other way round', async () => {
  const { port } = await startGateway();
  const client = await enter(port);
  const session = await client.createSession();
  const native = await join(port);
  await native.request({ type: 'subscribe', topics: [`session.${session}.checkpoints`] });
  for (let twice = 0; twice < 2; twice += 1) await client.ask('subscribe', { session_id: session });
  const first = await client.checkpoint({ session_id: session, message: 'first' });
  const [event] = await native.gather(1);
  expect(event).toMatchObject({ seq: 1, data: { kind: 'created', checkpoint: first, label: 'first' } });

  type Made = { checkpoint: { checkpoint: string } };
  const made = await native.request<Made>({ type: 'checkpoint.create', session, label: 'over native' });
  const { checkpoint: second } = made.checkpoint;
  const restored = await native.request<Made>({ type: 'checkpoint.restore', checkpoint: second });
  await native.request({ type: 'checkpoint.delete', checkpoint: first });
  expect(idsOf(await client.gather('checkpoint_deleted', 1))).toEqual([first]);
  expect(idsOf(client.of('checkpoint_restored'))).toEqual([second]);
  // Each once, though it is subscribed twice; a restore makes one of its own.
  expect(idsOf(client.of('checkpoint_created'))).toEqual([first, second, restored.checkpoint.checkpoint]);
});

test('several sessions at once: each event comes to those who subscribed to its session', async () => {
  const { port } = await startGateway();
  const [one, two] = [await enter(port), await enter(port)];
  const [left, right] = [await one.createSession('left'), await one.createSession('right')];
  for (const session of [left, right]) await one.ask('subscribe', { session_id: session });
  await two.ask('subscribe', { session_id: right });
  for (const session of [left, right, left, right]) await two.checkpoint({ session_id: session });
  expect(sessionsOf(await one.gather('checkpoint_created', 4))).toEqual([left, right, left, right]);
  expect(sessionsOf(await two.gather('checkpoint_created', 2))).toEqual([right, right]);
});

test('what cannot be done is an error with its id, and the connection goes on', async () => {
  const { port } = await startGateway();
  const client = await enter(port);
  client.send('nonsense');
  expect(await client.answerTo(null)).toEqual({ id: null, success: false, error: 'not JSON in UTF-8' });
  expect(await client.refusal('rewind')).toBe('there is no method of this name');
  for (const method of ['checkpoint', 'list_checkpoints', 'subscribe']) {
    expect(await client.refusal(method, { session_id: 'gone' })).toBe('there is no such session');
  }
  const session = await client.createSession();
  const tags = Array.from({ length: 10_000 }, (_, i) => `tag-${i}`);
  expect(await client.refusal('checkpoint', { session_id: session, tags })).toContain('tags');
  expect(await client.list(session)).toEqual([]);
  for (let i = 0; i < 10; i += 1) client.send('[]');
  expect((await client.end()).code).toBe(4400);
});

test('a list that is too long for one answer is refused, and a shorter one is not', { timeout: 60_000 }, async () => {
  const { port } = await startGateway();
  const client = await enter(port);
  const session = await client.createSession();
  const params = { session_id: session, tags: Array.from({ length: 64 }, (_, i) => `${i}`.padEnd(128, 'x')) };
  for (let i = 0; i < 520; i += 1) client.send({ method: 'checkpoint', params });
  expect(await client.refusal('list_checkpoints', { session_id: session })).toContain('ask for fewer by limit');
  expect(await client.list(session, 400)).toHaveLength(400);
});

const withTokens = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'ada-token=ada,bob-token=bob' };

test('with authentication, who it is comes first; one that is refused may try again', async () => {
  const { port } = await startGateway(withTokens);
  const client = await enter(port);
  for (const method of ['create_session', 'metrics']) {
    expect(await client.refusal(method, { name: 'n' })).toBe('say who you are first');
  }
  expect(await client.refusal('authenticate', { token: 'wrong' })).toBe('the token is not accepted');
  const known = { authenticated: true, identity: 'ada' };
  expect(await client.ask('authenticate', { token: 'ada-token' })).toEqual(known);
  const session = await client.createSession();
  await client.gather('session_created', 1);
  const bob = await enter(port, '/?token=bob-token');
  for (const method of ['subscribe', 'list_checkpoints', 'checkpoint']) {
    expect(await bob.refusal(method, { session_id: session })).toBe('there is no such session');
  }
  const again = await enter(port, '/', { authorization: 'Bearer ada-token' });
  await again.ask('subscribe', { session_id: session });
  await bob.createSession("bob's");
  await client.checkpoint({ session_id: session });
  await again.gather('checkpoint_created', 1);
  expect([again, client].flatMap((each) => each.of('session_created'))).toHaveLength(1);
});

test('a token and what needs it may be sent in one go; another token leaves what was heard behind', async () => {
  const { port } = await startGateway(withTokens);
  const client = await enter(port);
  client.send({ method: 'authenticate', params: { token: 'ada-token' } });
  const session = await client.createSession("ada's");
  await client.ask('subscribe', { session_id: session });
  await client.gather('session_created', 1);
  const ada = await enter(port, '/?token=ada-token');
  client.send({ method: 'authenticate', params: { token: 'bob-token' } });
  expect(await client.refusal('subscribe', { session_id: session })).toBe('there is no such session');
  await ada.checkpoint({ session_id: session });
  await ada.createSession("ada's second");
  await client.createSession("bob's");
  const names = (await client.gather('session_created', 2)).map(({ name }) => name);
  expect(names).toEqual(["ada's", "bob's"]);
  expect(client.of('checkpoint_created')).toEqual([]);
});

test('what somebody sent who left is done whole or not at all, and others go on', async () => {
  const { port } = await startGateway();
  const client = await enter(port);
  const session = await client.createSession();
  await client.ask('subscribe', { session_id: session });
  for (let round = 0; round < 20; round += 1) {
    const leaver = await enter(port);
    for (let i = 0; i < round; i += 1) leaver.send({ method: 'checkpoint', params: { session_id: session } });
    leaver.cut();
  }
  await client.checkpoint({ session_id: session });
  const listed = await client.list(session);
  const heard = await client.gather('checkpoint_created', listed.length);
  // Each that was heard of is there, and each that is there was heard of; some may still be under way.
  expect(idsOf(listed).toReversed()).toEqual(idsOf(heard).slice(0, listed.length));
});

test('ten thousand commands in one go are each answered once', { timeout: 120_000 }, async () => {
  const { port } = await startGateway();
  expect(await stressCommands(port, port)).toBe(10_000);
});
