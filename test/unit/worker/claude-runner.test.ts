import { expect, test } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import { begins, calls, errs, event, refuses, says, startMessagesApi } from '../../support/messages-api.ts';
import type { MessagesApi } from '../../support/messages-api.ts';
import { startGateway } from '../../support/in-process.ts';
import type { HttpAnswer, InProcess } from '../../support/in-process.ts';
import { listen } from '../../support/sse.ts';
import type { SseClient } from '../../support/sse.ts';
import { startWorker } from '../../support/worker.ts';

type Data = { kind: string } & Record<string, unknown>;

interface World {
  readonly api: MessagesApi;
  readonly gateway: InProcess;
  readonly logged: readonly unknown[];
}

const apiKey = 'sk-of-the-test';

/** A gateway and a worker that were given the key and the address by their settings. */
async function startWorld(): Promise<World> {
  const api = await startMessagesApi();
  const gateway = await startGateway();
  const env = { ANTHROPIC_API_KEY: apiKey, ANTHROPIC_BASE_URL: api.url };
  const { logged } = await startWorker(gateway.engine, { env });
  return { api, gateway, logged };
}

const post = async (world: World, path: string, body: object = {}): Promise<HttpAnswer> => {
  const answer = await world.gateway.http('POST', path, body);
  expect(answer.status).toBeLessThan(300);
  return answer;
};

async function start(world: World, body: object): Promise<{ run: string; client: SseClient }> {
  const run = (await post(world, '/v1/runs', { agent: 'claude', ...body })).json<{ invocation: string }>().invocation;
  return { run, client: await listen(world.gateway.port, `/v1/runs/${run}/events`) };
}

const heard = (client: SseClient): Data[] => client.events.map(({ data }) => data['data'] as Data);

async function comes(client: SseClient, kind: string): Promise<Data> {
  for (let count = 1; ; count += 1) {
    await client.gather(count);
    const found = heard(client).find((data) => data.kind === kind);
    if (found) return found;
  }
}

async function ended(client: SseClient): Promise<Data> {
  await client.end();
  return must(heard(client).at(-1));
}

const recordOf = async (world: World, run: string): Promise<Record<string, unknown>> =>
  (await world.gateway.http('GET', `/v1/runs/${run}`)).json<{ invocation: Record<string, unknown> }>().invocation;

test('the second run of a session knows what was said in the first', async () => {
  const world = await startWorld();
  world.api.next(says('Good day', ', Ada.'), says('Ada.'));
  const { session } = (await post(world, '/v1/sessions', { name: 'talk' })).json<{ session: { session: string } }>()
    .session;
  const first = await start(world, { input: 'I am Ada.', session });
  expect(await ended(first.client)).toMatchObject({ kind: 'completed', result: { text: 'Good day, Ada.' } });
  const second = await start(world, { input: { text: 'Who am I?', system: 'be brief' }, session });
  expect(await ended(second.client)).toMatchObject({
    kind: 'completed',
    result: { text: 'Ada.', stopReason: 'end_turn' },
  });
  expect(world.api.requests[1]?.body.messages).toEqual([
    { role: 'user', content: 'I am Ada.' },
    { role: 'assistant', content: 'Good day, Ada.' },
    { role: 'user', content: 'Who am I?' },
  ]);
  expect(await recordOf(world, second.run)).toMatchObject({ usage: { requests: 1, inputTokens: 10, outputTokens: 7 } });
});

test('a cancel ends the request, and what it has cost is in the record', async () => {
  const world = await startWorld();
  world.api.next(begins(['half an']));
  const { run, client } = await start(world, { input: 'hi' });
  await comes(client, 'chunk');
  await post(world, `/v1/runs/${run}/cancel`, { reason: 'enough' });
  expect(await ended(client)).toEqual({ kind: 'cancelled', reason: 'enough' });
  await expect.poll(() => must(world.api.requests[0]).gone).toBe(true);
  expect(await recordOf(world, run)).toMatchObject({ usage: { inputTokens: 10 } });
});

test('an answer that broke off is begun again, and the chunks before are void', async () => {
  const world = await startWorld();
  world.api.next(begins(['half an'], errs('overloaded_error', 'too much')), says('a whole answer'));
  const { client } = await start(world, { input: 'hi' });
  expect(await ended(client)).toMatchObject({ kind: 'completed', result: { text: 'a whole answer' } });
  expect(heard(client).filter(({ kind }) => kind === 'started' || kind === 'chunk')).toEqual([
    { kind: 'started', attempt: 1 },
    { kind: 'chunk', text: 'half an' },
    { kind: 'started', attempt: 2 },
    { kind: 'chunk', text: 'a whole answer' },
  ]);
});

test('a tool waits for somebody, and runs with the arguments as they were edited', async () => {
  const world = await startWorld();
  world.api.next(calls({ id: 'toolu_1', name: 'calculate', input: { expression: '2+2' } }), says('It is 6.'));
  const { run, client } = await start(world, { input: { text: 'hi', tools: ['calculate'], approve: true } });
  const { call, name, args } = await comes(client, 'approval_required');
  expect({ name, args }).toEqual({ name: 'calculate', args: { expression: '2+2' } });
  await post(world, `/v1/runs/${run}/approve`, { call, decision: 'approve', input: { expression: '3+3' } });
  expect(await ended(client)).toMatchObject({ kind: 'completed', result: { text: 'It is 6.' } });
  expect(heard(client).find(({ kind }) => kind === 'tool_result')).toMatchObject({ result: 6 });
});

test('an answer is read to its end while the run is paused, and told when it is resumed', async () => {
  const world = await startWorld();
  // More than the sockets in between hold: without a reader it would not go out.
  const pings = event({ type: 'ping', of: 'x'.repeat(64 * 1024) }).repeat(256);
  let goOn: () => void = () => {};
  let whole = false;
  world.api.next(
    begins(['one '], (answer) => {
      answer.on('finish', () => (whole = true));
      const delta = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'two' } };
      goOn = () => void answer.end(event(delta) + event(delta) + pings + event({ type: 'message_stop' }));
    }),
  );
  const { run, client } = await start(world, { input: 'hi' });
  await comes(client, 'chunk');
  await post(world, `/v1/runs/${run}/pause`);
  goOn();
  await expect.poll(() => whole, { timeout: 20_000 }).toBe(true);
  await comes(client, 'paused');
  await post(world, `/v1/runs/${run}/resume`);
  expect(await ended(client)).toMatchObject({ kind: 'completed', result: { text: 'one twotwo' } });
});

test('the key is nowhere to be seen, not even where the API repeats it', async () => {
  const world = await startWorld();
  world.api.next(refuses(401, 'authentication_error', `invalid key: ${apiKey}`));
  const { run, client } = await start(world, { input: 'hi' });
  const error = { code: 'unauthenticated', message: 'the Messages API says: invalid key: …' };
  expect(await ended(client)).toEqual({ kind: 'failed', error });
  expect(await recordOf(world, run)).toMatchObject({ state: 'failed', error });
  expect(JSON.stringify([world.logged, world.gateway.logged])).not.toContain(apiKey);
});
