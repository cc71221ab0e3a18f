import { describe, expect, it } from 'vitest';
import type { Agent } from '../../../services/worker/agent.ts';
import { join } from '../../support/client.ts';
import type { TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { Http } from '../../support/in-process.ts';
import { startWorker } from '../../support/worker.ts';

interface Talk {
  readonly client: TestClient;
  readonly session: string;
}

async function enter(port: number, session?: string): Promise<Talk> {
  const path = session === undefined ? '/ws' : `/ws?sessionId=${session}`;
  const client = await join(port, { path, bare: true });
  const greeting = await client.waitFor(({ type }) => type === 'connection_established', 'the greeting');
  return { client, session: greeting['sessionId'] as string };
}

/** Content by content, what was streamed. */
function streamed({ client }: Talk): string[] {
  const types = client.frames.map(({ type }) => type).filter((type) => type.startsWith('stream_'));
  const chunks = client.of('stream_chunk').map(({ content }) => String(content));
  expect(types).toEqual(chunks.flatMap(() => ['stream_start', 'stream_chunk', 'stream_end']));
  return chunks;
}

async function ends({ client }: Talk, count: number): Promise<void> {
  await client.until(() => client.of('stream_end').length >= count, `${count} ends`);
}

async function kept(http: Http, session: string): Promise<unknown[]> {
  return (await http('GET', `/v1/sessions/${session}/messages`)).json<{ messages: unknown[] }>().messages;
}

describe('an operator', () => {
  it('speaks in one session: its chats show it, and it is kept', async () => {
    const { port, http } = await startGateway();
    const talks = [await enter(port, 's-1'), await enter(port, 's-1')];
    const other = await enter(port, 's-2');
    const native = await join(port);
    await native.request({ type: 'subscribe', topics: ['session.s-1.messages'] });
    // A chat listens when it has been greeted, a moment later.
    const first = { content: 'we close early', messageId: 'm-1' };
    await expect
      .poll(async () => {
        await http('POST', '/v1/sessions/s-1/messages', { content: 'are you there?' });
        return talks.every(({ client }) => client.of('stream_end').length > 0);
      })
      .toBe(true);
    const said = await http('POST', '/v1/sessions/s-1/messages', first);
    expect([said.status, said.json()]).toEqual([201, { session: 's-1', messageId: 'm-1' }]);
    // Sent again it is the same one.
    expect((await http('POST', '/v1/sessions/s-1/messages', first)).status).toBe(201);
    await http('POST', '/v1/sessions/s-1/messages', { content: 'good night', role: 'night watch' });
    for (const talk of talks) {
      await talk.client.waitFor(({ content }) => content === 'good night');
      await talk.client.until(() => talk.client.frames.at(-1)?.type === 'stream_end', 'the end');
      expect(streamed(talk).filter((content) => content !== 'are you there?')).toEqual([
        'we close early',
        'good night',
      ]);
    }
    expect(streamed(other)).toEqual([]);
    const messages = (await kept(http, 's-1')).slice(-2);
    expect(messages).toMatchObject([
      { thread: 'main', role: 'operator', content: 'we close early' },
      { thread: 'main', role: 'night watch', content: 'good night' },
    ]);
    expect(messages[0]).not.toHaveProperty('invocation');
    await expect.poll(() => native.events.at(-1)?.data).toEqual({ kind: 'message', ...(messages[1] as object) });
  });

  it('reaches a chat that has said nothing yet, and so has no session', async () => {
    const { port, http } = await startGateway();
    const talk = await enter(port);
    const said = await http('POST', `/v1/sessions/${talk.session}/messages`, { content: 'may I help?' });
    expect(said.status).toBe(201);
    await ends(talk, 1);
    expect(streamed(talk)).toEqual(['may I help?']);
    expect(await kept(http, talk.session)).toMatchObject([{ role: 'operator', content: 'may I help?' }]);
  });

  it('speaks to all who chat, and each of their sessions keeps it once', async () => {
    const { port, http } = await startGateway();
    const talks = [await enter(port), await enter(port, 's-1'), await enter(port, 's-1'), await enter(port, 's-2')];
    await http('POST', '/v1/sessions', { session: 'nobody-here' });
    await expect
      .poll(async () => {
        await http('POST', '/v1/messages', { content: 'are you there?', messageId: 'm-0' });
        return talks.every(({ client }) => client.of('stream_end').length > 0);
      })
      .toBe(true);
    const told = await http('POST', '/v1/messages', { content: 'hello all', messageId: 'm-1' });
    expect([told.status, told.json()]).toEqual([202, { messageId: 'm-1' }]);
    await Promise.all(talks.map((talk) => ends(talk, 2)));
    for (const talk of talks) {
      expect(streamed(talk)).toEqual(['are you there?', 'hello all']);
      expect(await kept(http, talk.session)).toMatchObject([{ content: 'are you there?' }, { content: 'hello all' }]);
    }
    expect(await kept(http, 'nobody-here')).toEqual([]);
  });

  it('does not break into an answer, and is heard behind it', async () => {
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
    const { port, http, engine } = await startGateway({ AGENTWIRE_CHAT_AGENT: 'gated' });
    await startWorker(engine, { agents: [gated] });
    const { client, session } = await enter(port, 's-1');
    const native = await join(port);
    await native.request({ type: 'subscribe', topics: ['session.s-1.messages'] });
    client.sendAsIs({ type: 'user_message', content: 'go on' });
    await client.waitFor(({ type }) => type === 'stream_chunk');
    await http('POST', `/v1/sessions/${session}/messages`, { content: 'meanwhile' });
    await native.gather(1);
    go();
    await ends({ client, session }, 2);
    const frames = client.frames.slice(1).map(({ type, content }) => (content === '' ? type : content));
    expect(frames).toEqual(['stream_start', 'one ', 'two', 'stream_end', 'stream_start', 'meanwhile', 'stream_end']);
  });

  it('is an admin, and nobody else', async () => {
    const { http } = await startGateway({ AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'tok-a=alice' });
    const headers = { authorization: 'Bearer tok-a' };
    await http('POST', '/v1/sessions', { session: 'hers' }, headers);
    for (const path of ['/v1/sessions/hers/messages', '/v1/messages']) {
      const refused = await http('POST', path, { content: 'hello' }, headers);
      expect([refused.status, refused.json()]).toMatchObject([403, { error: { code: 'forbidden' } }]);
      expect((await http('POST', path, { content: 'hello' })).status).toBe(401);
    }
    const messages = await http('GET', '/v1/sessions/hers/messages', undefined, headers);
    expect(messages.json()).toEqual({ messages: [], more: false });
    const topic = await http('GET', '/v1/topics/$operator/events', undefined, headers);
    expect(topic.status).toBe(403);
  });

  it.each<[string, string, unknown, number, string]>([
    ['nothing', '/v1/messages', {}, 400, 'bad_request'],
    ['blanks', '/v1/messages', { content: ' \n' }, 400, 'bad_request'],
    ['what is no text', '/v1/sessions/s-1/messages', { content: { a: 1 } }, 400, 'bad_request'],
    ['as somebody without a name', '/v1/sessions/s-1/messages', { content: 'x', role: '' }, 400, 'bad_request'],
    ['what is no map', '/v1/messages', ['x'], 400, 'bad_request'],
    ['what is no JSON', '/v1/messages', '{', 400, 'bad_frame'],
    ['in a session with a path in its id', '/v1/sessions/..%2Fs-1/messages', { content: 'x' }, 400, 'bad_request'],
    ['in a session that there is not', '/v1/sessions/nothing/messages', { content: 'x' }, 404, 'not_found'],
    ['more than a frame may be', '/v1/messages', { content: 'x'.repeat(1024 * 1024) }, 413, 'payload_too_large'],
  ])('cannot say %s', async (_what, path, body, status, code) => {
    const { http } = await startGateway();
    await http('POST', '/v1/sessions', { session: 's-1' });
    const answer = await http('POST', path, body);
    expect([answer.status, answer.json<{ error: { code: string } }>().error.code]).toEqual([status, code]);
    expect(await kept(http, 's-1')).toEqual([]);
  });
});
