import { describe, expect, it } from 'vitest';
import { resultSchemas } from '../../../shared/protocol/requests.ts';
import { join } from '../../support/client.ts';
import type { Format } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import { workerByHand } from '../../support/worker-by-hand.ts';

interface SessionAnswer {
  session: Record<string, unknown>;
}
interface MessagesAnswer {
  messages: { message: string; role: string; content: unknown }[];
  more: boolean;
}

describe.each<Format>(['json', 'msgpack'])('sessions, as %s', (format) => {
  it('are made with what is given, and found again', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    const made = await client.request<SessionAnswer>({
      type: 'session.create',
      session: 's-1',
      name: 'Trip',
      agent: 'echo',
      metadata: { team: 'a', n: null },
    });
    expect(made.session).toEqual({
      session: 's-1',
      name: 'Trip',
      agent: 'echo',
      state: null,
      metadata: { team: 'a', n: null },
      rev: 1,
      createdAt: expect.any(Number),
      updatedAt: made.session['createdAt'],
    });
    const found = await client.request({ type: 'session.get', session: 's-1' });
    expect(found).toEqual(made);
    expect(resultSchemas['session.get'].parse(found)).toStrictEqual(found);
  });

  it('get an id where none is given, and cannot be made twice', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    const { session } = await client.request<SessionAnswer>({ type: 'session.create' });
    expect(session['session']).toMatch(/^[\da-f-]{36}$/);
    expect(await client.refusal({ type: 'session.create', session: session['session'] })).toBe('conflict');
    const other = await client.request<SessionAnswer>({ type: 'session.create' });
    expect(other.session['session']).not.toBe(session['session']);
  });

  it('have what was said in their runs, once each has ended, page by page', async () => {
    const { port, engine } = await startGateway();
    const worker = await workerByHand(engine, 'echo');
    const client = await join(port, { format });
    const session = 's-1';
    await client.request({ type: 'session.create', session });
    expect(await client.request({ type: 'session.messages', session })).toEqual({ messages: [], more: false });
    for (const input of ['one', 'two']) {
      const started = await client.request({ type: 'run', agent: 'echo', input, session, attach: false });
      const held = await worker.take(String(started['invocation']));
      await worker.end(held, { kind: 'completed', result: input }, { role: 'assistant', content: `${input}!` });
    }
    const read = async (fields: Record<string, unknown>): Promise<MessagesAnswer> => {
      const page = await client.request({ type: 'session.messages', session, ...fields });
      expect(resultSchemas['session.messages'].parse(page)).toStrictEqual(page);
      return page as unknown as MessagesAnswer;
    };
    const all = await read({});
    expect(all.messages.map(({ role, content }) => [role, content])).toEqual([
      ['user', 'one'],
      ['assistant', 'one!'],
      ['user', 'two'],
      ['assistant', 'two!'],
    ]);
    expect(all.more).toBe(false);
    const first = await read({ limit: 3 });
    expect(first).toEqual({ messages: all.messages.slice(0, 3), more: true });
    const last = { messages: all.messages.slice(3), more: false };
    expect(await read({ after: first.messages[2]!.message })).toEqual(last);
    expect(await read({ after: 3 })).toEqual(last);
    expect(await read({ after: 4 })).toEqual({ messages: [], more: false });
    expect(await read({ thread: 'main', limit: 1 })).toEqual({ messages: all.messages.slice(0, 1), more: true });
    expect(await read({ thread: 'another' })).toEqual({ messages: [], more: false });
  });
});

it('an answer with messages is cut where it is long enough, and says so', async () => {
  const { port, engine } = await startGateway();
  const worker = await workerByHand(engine, 'echo');
  const client = await join(port);
  await client.request({ type: 'session.create', session: 's-1' });
  const started = await client.request({ type: 'run', agent: 'echo', input: 0, session: 's-1', attach: false });
  const content = 'x'.repeat(400_000);
  const messages = [1, 2, 3].map(() => ({ role: 'assistant', content }));
  await worker.end(await worker.take(String(started['invocation'])), { kind: 'completed', result: 1 }, ...messages);
  const read = (after: number): Promise<MessagesAnswer> =>
    client.request({ type: 'session.messages', session: 's-1', after });
  expect(await read(0)).toMatchObject({ messages: [{ content: 0 }, { content }, { content }], more: true });
  expect(await read(3)).toMatchObject({ messages: [{ content }], more: false });
});

describe('what cannot be', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['an id with a dot', { type: 'session.create', session: 'a.b' }, 'bad_request'],
    ['an empty id', { type: 'session.create', session: '' }, 'bad_request'],
    ['an id that is too long', { type: 'session.create', session: 'x'.repeat(65) }, 'bad_request'],
    ['a name that is too long', { type: 'session.create', name: 'x'.repeat(257) }, 'bad_request'],
    ['an agent of a bad name', { type: 'session.create', agent: 'a.b' }, 'bad_request'],
    ['metadata that are no map', { type: 'session.create', metadata: [1] }, 'bad_request'],
    ['no session', { type: 'session.get' }, 'bad_request'],
    ['a session that there is not', { type: 'session.get', session: 'nothing' }, 'not_found'],
    ['a session named as every object has something', { type: 'session.get', session: '__proto__' }, 'not_found'],
    ['messages of none', { type: 'session.messages' }, 'bad_request'],
    ['messages of one that there is not', { type: 'session.messages', session: 'nothing' }, 'not_found'],
    ['after what is neither', { type: 'session.messages', session: 's', after: {} }, 'bad_request'],
    ['after less than nothing', { type: 'session.messages', session: 's', after: -1 }, 'bad_request'],
    ['an empty thread', { type: 'session.messages', session: 's', thread: '' }, 'bad_request'],
    ['too many messages', { type: 'session.messages', session: 's', limit: 1001 }, 'bad_request'],
    ['a run in none', { type: 'run', agent: 'echo', input: 1, session: 'nothing' }, 'not_found'],
  ])('%s', async (_what, frame, code) => {
    const { port, engine } = await startGateway();
    await workerByHand(engine, 'echo');
    const client = await join(port);
    expect(await client.refusal(frame)).toBe(code);
  });
});

describe('sessions over HTTP', () => {
  it('are made, found, and read', async () => {
    const { port, http, engine } = await startGateway();
    const worker = await workerByHand(engine, 'echo');
    const made = await http('POST', '/v1/sessions', { session: 's-1', name: 'Trip' });
    expect([made.status, made.json()]).toMatchObject([201, { session: { session: 's-1', name: 'Trip', rev: 1 } }]);
    expect((await http('GET', '/v1/sessions/s-1')).json()).toEqual(made.json());
    const bare = await http('POST', '/v1/sessions');
    expect([bare.status, bare.json()]).toMatchObject([201, { session: { rev: 1 } }]);
    const client = await join(port);
    const started = await client.request({ type: 'run', agent: 'echo', input: 'hi', session: 's-1', attach: false });
    await worker.end(await worker.take(String(started['invocation'])), { kind: 'completed', result: 1 });
    const all = (await http('GET', '/v1/sessions/s-1/messages')).json<MessagesAnswer>();
    expect(all).toMatchObject({ messages: [{ role: 'user', content: 'hi', thread: 'main' }], more: false });
    const { message } = all.messages[0]!;
    for (const query of ['after=1', `after=${encodeURIComponent(message)}`, 'thread=another']) {
      expect((await http('GET', `/v1/sessions/s-1/messages?${query}`)).json()).toEqual({ messages: [], more: false });
    }
    expect((await http('GET', '/v1/sessions/s-1/messages?limit=1&thread=main')).json()).toEqual(all);
  });

  it.each<[string, string, string, unknown, number, string]>([
    ['one that there is not', 'GET', '/v1/sessions/nothing', undefined, 404, 'not_found'],
    ['messages of one that there is not', 'GET', '/v1/sessions/nothing/messages', undefined, 404, 'not_found'],
    ['an odd id', 'GET', '/v1/sessions/a.b', undefined, 400, 'bad_request'],
    ['an id that is not UTF-8', 'GET', '/v1/sessions/%ff', undefined, 400, 'bad_request'],
    ['an odd id in the body', 'POST', '/v1/sessions', { session: 'a/b' }, 400, 'bad_request'],
    ['a body that is no map', 'POST', '/v1/sessions', [1], 400, 'bad_request'],
    ['a body that is no JSON', 'POST', '/v1/sessions', '{', 400, 'bad_frame'],
    ['a limit that is none', 'GET', '/v1/sessions/s/messages?limit=x', undefined, 400, 'bad_request'],
    ['a limit out of range', 'GET', '/v1/sessions/s/messages?limit=0', undefined, 400, 'bad_request'],
  ])('refuse %s', async (_what, method, path, body, status, code) => {
    const { http } = await startGateway();
    const answer = await http(method, path, body);
    expect([answer.status, answer.json<{ error: { code: string } }>().error.code]).toEqual([status, code]);
  });

  it('refuse a second one of the same id', async () => {
    const { http } = await startGateway();
    expect((await http('POST', '/v1/sessions', { session: 's-1' })).status).toBe(201);
    const again = await http('POST', '/v1/sessions', { session: 's-1' });
    expect([again.status, again.json<{ error: { code: string } }>().error.code]).toEqual([409, 'conflict']);
  });
});
