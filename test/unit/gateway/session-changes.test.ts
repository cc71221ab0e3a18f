import { describe, expect, it } from 'vitest';
import { resultSchemas } from '../../../shared/protocol/requests.ts';
import { join } from '../../support/client.ts';
import type { Format, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import { workerByHand } from '../../support/worker-by-hand.ts';

type Fields = Record<string, unknown>;
interface SessionAnswer {
  session: Fields & { session: string; rev: number };
}
interface SessionPage {
  sessions: { session: string }[];
  cursor?: string;
}

async function create(client: TestClient, ...sessions: string[]): Promise<void> {
  for (const session of sessions) await client.request({ type: 'session.create', session });
}

const ids = ({ sessions }: SessionPage): string[] => sessions.map(({ session }) => session);

describe.each<Format>(['json', 'msgpack'])('sessions, as %s', (format) => {
  it('are listed newest first, page by page', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    expect(await client.request({ type: 'session.list' })).toEqual({ sessions: [] });
    await create(client, 's-1', 's-2', 's-3');
    const list = async (fields: Fields): Promise<SessionPage> => {
      const page = await client.request<SessionPage>({ type: 'session.list', ...fields });
      expect(resultSchemas['session.list'].parse(page)).toStrictEqual(page);
      return page;
    };
    expect(ids(await list({}))).toEqual(['s-3', 's-2', 's-1']);
    const first = await list({ limit: 2 });
    expect(ids(first)).toEqual(['s-3', 's-2']);
    expect(ids(await list({ limit: 2, cursor: first.cursor }))).toEqual(['s-1']);
  });

  it('change in what is named, and in nothing else', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    const made = await client.request<SessionAnswer>({ type: 'session.create', session: 's-1', metadata: { a: 1 } });
    const change = (fields: Fields): Promise<SessionAnswer> =>
      client.request({ type: 'session.update', session: 's-1', ...fields });
    const state = { deep: [{ er: null }], text: 'größer 😀' };
    const changed = await change({ state });
    expect(resultSchemas['session.update'].parse(changed)).toStrictEqual(changed);
    const now = expect.any(Number);
    expect(changed.session).toEqual({ ...made.session, state, rev: 2, updatedAt: now });
    expect((await change({ name: 'Trip', metadata: null })).session).toEqual({
      ...changed.session,
      name: 'Trip',
      rev: 3,
      updatedAt: now,
    });
    expect((await change({ metadata: { b: 2 }, rev: 3 })).session).toMatchObject({ metadata: { b: 2 }, state, rev: 4 });
    expect(await client.refusal({ type: 'session.update', session: 's-1', rev: 3, name: 'late' })).toBe('conflict');
    expect(await client.request({ type: 'session.get', session: 's-1' })).toMatchObject({
      session: { name: 'Trip', rev: 4 },
    });
  });

  it('have one winner where two write at once', async () => {
    const { port } = await startGateway();
    const clients = [await join(port, { format }), await join(port, { format })];
    await create(clients[0]!, 's-1');
    for (let rev = 1; rev <= 20; rev += 1) {
      const answers = await Promise.all(
        clients.map((client, i) => client.ask({ type: 'session.update', session: 's-1', rev, state: { by: i } })),
      );
      expect(answers.map(({ type }) => type).sort()).toEqual(['error', 'ok']);
      const refused = answers.find(({ type }) => type === 'error');
      expect(refused).toMatchObject({ error: { code: 'conflict', retryable: false } });
    }
  });

  it('are deleted with all that belongs to them', async () => {
    const { port, engine } = await startGateway();
    const worker = await workerByHand(engine, 'echo');
    const client = await join(port, { format });
    await create(client, 's-1', 's-2');
    const run = { type: 'run', agent: 'echo', input: 'hi', session: 's-1', attach: false };
    const started = await client.request<{ invocation: string }>(run);
    expect(await client.refusal({ type: 'session.delete', session: 's-1' })).toBe('conflict');
    expect(await client.request({ type: 'session.get', session: 's-1' })).toMatchObject({ session: { rev: 1 } });
    await worker.end(await worker.take(started.invocation), { kind: 'completed', result: 1 });
    await client.request({ type: 'checkpoint.create', session: 's-1' });
    expect(await client.request({ type: 'session.delete', session: 's-1' })).toEqual({ session: 's-1' });
    for (const type of ['session.get', 'session.messages', 'session.delete', 'session.update', 'checkpoint.list']) {
      expect(await client.refusal({ type, session: 's-1' })).toBe('not_found');
    }
    expect(await client.refusal(run)).toBe('not_found');
    expect(ids(await client.request<SessionPage>({ type: 'session.list' }))).toEqual(['s-2']);
    await create(client, 's-1');
    expect(await client.request({ type: 'session.messages', session: 's-1' })).toEqual({ messages: [], more: false });
    expect(await client.request({ type: 'checkpoint.list', session: 's-1' })).toEqual({ checkpoints: [] });
  });
});

it('an answer with sessions is cut where it is long enough, and goes on from there', async () => {
  const { port } = await startGateway();
  const client = await join(port);
  const names = Array.from({ length: 6 }, (_, i) => `s-${i}`);
  for (const session of names) {
    await create(client, session);
    await client.request({ type: 'session.update', session, state: 'x'.repeat(400_000) });
  }
  const found: string[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page: SessionPage = await client.request({ type: 'session.list', cursor });
    expect(page.sessions.length).toBeLessThan(names.length);
    found.push(...ids(page));
    ({ cursor } = page);
    pages += 1;
  } while (cursor !== undefined && pages < 10);
  expect(found).toEqual(names.toReversed());
});

it('a session of another is not found, whatever is asked of it', async () => {
  const { port } = await startGateway({ AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'tok-a=alice,tok-b=bob' });
  const as = (token: string): Promise<TestClient> => join(port, { headers: { authorization: `Bearer ${token}` } });
  const [alice, bob] = [await as('tok-a'), await as('tok-b')];
  await create(alice, 'hers');
  await create(bob, 'his');
  for (const type of ['session.get', 'session.update', 'session.delete', 'session.messages']) {
    expect(await bob.refusal({ type, session: 'hers' })).toBe('not_found');
  }
  expect(ids(await alice.request<SessionPage>({ type: 'session.list' }))).toEqual(['hers']);
  expect(ids(await bob.request<SessionPage>({ type: 'session.list' }))).toEqual(['his']);
});

describe('what cannot be', () => {
  it.each<[string, Fields, string]>([
    ['a change of a session that there is not', { type: 'session.update', session: 'nothing', state: 1 }, 'not_found'],
    ['a change of none', { type: 'session.update', state: 1 }, 'bad_request'],
    ['a change of one with a path in its id', { type: 'session.update', session: '../s-1', state: 1 }, 'bad_request'],
    ['a rev that is none', { type: 'session.update', session: 's-1', rev: 0 }, 'bad_request'],
    ['a rev that is yet to come', { type: 'session.update', session: 's-1', rev: 2 }, 'conflict'],
    ['metadata that are no map', { type: 'session.update', session: 's-1', metadata: [1] }, 'bad_request'],
    ['a name that is too long', { type: 'session.update', session: 's-1', name: 'x'.repeat(257) }, 'bad_request'],
    ['a delete of none', { type: 'session.delete' }, 'bad_request'],
    ['a delete of one that there is not', { type: 'session.delete', session: 'nothing' }, 'not_found'],
    ['a delete of one with a path in its id', { type: 'session.delete', session: 'a/b' }, 'bad_request'],
    ['a cursor that is none', { type: 'session.list', cursor: '../x' }, 'bad_request'],
    ['a cursor that is empty', { type: 'session.list', cursor: '' }, 'bad_request'],
    ['a limit out of range', { type: 'session.list', limit: 0 }, 'bad_request'],
  ])('%s', async (_what, frame, code) => {
    const { port } = await startGateway();
    const client = await join(port);
    await create(client, 's-1');
    expect(await client.refusal(frame)).toBe(code);
    expect(await client.request({ type: 'session.get', session: 's-1' })).toMatchObject({
      session: { name: 's-1', state: null, metadata: {}, rev: 1 },
    });
  });
});

describe('sessions over HTTP', () => {
  it('are listed, changed and deleted', async () => {
    const { http } = await startGateway();
    for (const session of ['s-1', 's-2']) await http('POST', '/v1/sessions', { session });
    const page = (await http('GET', '/v1/sessions?limit=1')).json<SessionPage>();
    expect(ids(page)).toEqual(['s-2']);
    const rest = await http('GET', `/v1/sessions?cursor=${encodeURIComponent(page.cursor!)}`);
    expect(ids(rest.json<SessionPage>())).toEqual(['s-1']);
    const changed = await http('PATCH', '/v1/sessions/s-1', { state: { step: 1 }, name: 'Trip', session: 's-2' });
    expect([changed.status, changed.json()]).toMatchObject([
      200,
      { session: { session: 's-1', state: { step: 1 }, name: 'Trip', rev: 2 } },
    ]);
    const late = await http('PATCH', '/v1/sessions/s-1', { rev: 1, name: 'late' });
    expect([late.status, late.json()]).toMatchObject([409, { error: { code: 'conflict' } }]);
    const deleted = await http('DELETE', '/v1/sessions/s-1');
    expect([deleted.status, deleted.json()]).toEqual([200, { session: 's-1' }]);
    expect((await http('GET', '/v1/sessions/s-1')).status).toBe(404);
    expect((await http('PUT', '/v1/sessions/s-1', {})).status).toBe(405);
  });

  it.each<[string, string, string, unknown, number, string]>([
    ['a list from a cursor that is none', 'GET', '/v1/sessions?cursor=%2e%2e', undefined, 400, 'bad_request'],
    ['a limit that is none', 'GET', '/v1/sessions?limit=many', undefined, 400, 'bad_request'],
    ['a change that is no map', 'PATCH', '/v1/sessions/s-1', [1], 400, 'bad_request'],
    ['a change that is no JSON', 'PATCH', '/v1/sessions/s-1', '{', 400, 'bad_frame'],
    ['a change of what there is not', 'PATCH', '/v1/sessions/nothing', { name: 'x' }, 404, 'not_found'],
    ['a change with a path', 'PATCH', '/v1/sessions/..%2Fs-1', { name: 'x' }, 400, 'bad_request'],
    ['a delete of what there is not', 'DELETE', '/v1/sessions/nothing', undefined, 404, 'not_found'],
    ['a delete with a path', 'DELETE', '/v1/sessions/a%2Fb', undefined, 400, 'bad_request'],
  ])('refuse %s', async (_what, method, path, body, status, code) => {
    const { http } = await startGateway();
    await http('POST', '/v1/sessions', { session: 's-1' });
    const answer = await http(method, path, body);
    expect([answer.status, answer.json<{ error: { code: string } }>().error.code]).toEqual([status, code]);
  });
});
