import { setTimeout } from 'node:timers/promises';
import { describe, expect, it, test } from 'vitest';
import type { Engine } from '../../../shared/engine/engine.ts';
import { resultSchemas } from '../../../shared/protocol/requests.ts';
import type { Agent } from '../../../services/worker/agent.ts';
import { join } from '../../support/client.ts';
import type { Format, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { Http } from '../../support/in-process.ts';
import { startWorker } from '../../support/worker.ts';

type Fields = Record<string, unknown>;
interface CheckpointAnswer {
  checkpoint: Fields & { checkpoint: string };
}
interface CheckpointPage {
  checkpoints: (Fields & { checkpoint: string })[];
  cursor?: string;
}
interface Restored extends CheckpointAnswer {
  session: Fields;
}

/** A session with a state, and whoever may do with it what they like. */
async function scene(format: Format = 'json'): Promise<{ client: TestClient; http: Http; port: number }> {
  const { port, http } = await startGateway();
  const client = await join(port, { format });
  await client.request({ type: 'session.create', session: 's-1' });
  await client.request({ type: 'session.update', session: 's-1', state: { step: 1 } });
  return { client, http, port };
}

async function keep(client: TestClient, fields: Fields = {}): Promise<CheckpointAnswer['checkpoint']> {
  const made = await client.request<CheckpointAnswer>({ type: 'checkpoint.create', session: 's-1', ...fields });
  return made.checkpoint;
}

describe.each<Format>(['json', 'msgpack'])('checkpoints, as %s', (format) => {
  it('keep what is given, or the state of the session, and are found again', async () => {
    const { client } = await scene(format);
    const given = await keep(client, { label: 'größer 😀', tags: ['a', 'b c'], state: { step: [0, null, 'x'] } });
    expect(given).toEqual({
      checkpoint: expect.stringMatching(/^[\da-f-]{36}$/),
      session: 's-1',
      label: 'größer 😀',
      tags: ['a', 'b c'],
      state: { step: [0, null, 'x'] },
      createdAt: expect.any(Number),
    });
    const own = await keep(client);
    expect(own).toMatchObject({ tags: [], state: { step: 1 } });
    for (const made of [given, own]) {
      const found = await client.request({ type: 'checkpoint.get', checkpoint: made.checkpoint });
      expect(found).toEqual({ checkpoint: made });
      expect(resultSchemas['checkpoint.get'].parse(found)).toStrictEqual(found);
    }
    expect(await client.request({ type: 'session.get', session: 's-1' })).toMatchObject({
      session: { state: { step: 1 } },
    });
  });

  it('are listed newest first, by tag and page by page', async () => {
    const { client } = await scene(format);
    const made: string[] = [];
    for (let i = 0; i < 5; i += 1) {
      const { checkpoint } = await keep(client, { state: i, tags: i % 2 === 0 ? ['even'] : [] });
      made.unshift(checkpoint);
    }
    const list = async (fields: Fields): Promise<CheckpointPage> => {
      const page = await client.request<CheckpointPage>({ type: 'checkpoint.list', session: 's-1', ...fields });
      expect(resultSchemas['checkpoint.list'].parse(page)).toStrictEqual(page);
      return page;
    };
    const ids = ({ checkpoints }: CheckpointPage): string[] => checkpoints.map(({ checkpoint }) => checkpoint);
    expect(ids(await list({}))).toEqual(made);
    expect(ids(await list({ tag: 'even' }))).toEqual([made[0], made[2], made[4]]);
    expect(ids(await list({ tag: 'odd' }))).toEqual([]);
    const first = await list({ limit: 2 });
    const second = await list({ limit: 2, cursor: first.cursor });
    const third = await list({ limit: 2, cursor: second.cursor });
    expect([first, second, third].flatMap(ids)).toEqual(made);
  });

  it('are restored, and the restore is undone by the one that was made first', async () => {
    const { client } = await scene(format);
    const { checkpoint } = await keep(client, { label: 'start' });
    await client.request({ type: 'session.update', session: 's-1', state: { step: 2 } });
    const restored = await client.request<Restored>({ type: 'checkpoint.restore', checkpoint });
    expect(resultSchemas['checkpoint.restore'].parse(restored)).toStrictEqual(restored);
    expect(restored).toMatchObject({
      session: { session: 's-1', state: { step: 1 } },
      checkpoint: { state: { step: 2 }, tags: ['auto'] },
    });
    expect(await client.request({ type: 'session.get', session: 's-1' })).toEqual({ session: restored.session });
    const undone = await client.request<Restored>({
      type: 'checkpoint.restore',
      checkpoint: restored.checkpoint.checkpoint,
    });
    expect(undone.session).toMatchObject({ state: { step: 2 } });
  });

  it('are compared, also across sessions', async () => {
    const { client } = await scene(format);
    const from = await keep(client, { state: { step: 1, gone: true, same: [1, 2] } });
    await client.request({ type: 'session.create', session: 's-2' });
    const to = await keep(client, { session: 's-2', state: { step: 2, 'a/b': null, same: [1, 2] } });
    const { changes } = await client.request<{ changes: Fields[] }>({
      type: 'checkpoint.diff',
      from: from.checkpoint,
      to: to.checkpoint,
    });
    expect(resultSchemas['checkpoint.diff'].parse({ changes })).toStrictEqual({ changes });
    expect(changes).toHaveLength(3);
    expect(changes).toEqual(
      expect.arrayContaining([
        { op: 'replace', path: '/step', value: 2 },
        { op: 'remove', path: '/gone' },
        { op: 'add', path: '/a~1b', value: null },
      ]),
    );
    const same = { type: 'checkpoint.diff', from: to.checkpoint, to: to.checkpoint };
    expect(await client.request(same)).toEqual({ changes: [] });
  });

  it('are deleted, and then are nowhere', async () => {
    const { client } = await scene(format);
    const { checkpoint } = await keep(client, { tags: ['a'] });
    const other = await keep(client);
    const deleted = await client.request({ type: 'checkpoint.delete', checkpoint });
    expect(deleted).toEqual({ checkpoint });
    for (const type of ['checkpoint.get', 'checkpoint.restore', 'checkpoint.delete']) {
      expect(await client.refusal({ type, checkpoint })).toBe('not_found');
    }
    const diff = { type: 'checkpoint.diff', from: other.checkpoint, to: checkpoint };
    expect(await client.refusal(diff)).toBe('not_found');
    const page = await client.request<CheckpointPage>({ type: 'checkpoint.list', session: 's-1' });
    expect(page.checkpoints).toEqual([other]);
    expect(await client.request({ type: 'checkpoint.list', session: 's-1', tag: 'a' })).toEqual({ checkpoints: [] });
    expect(await client.refusal({ type: 'run', agent: 'echo', input: 1, session: 's-1', checkpoint })).toBe(
      'not_found',
    );
  });

  it('tell every change on a topic of the session, behind the answer to it', async () => {
    const { client } = await scene(format);
    const topic = 'session.s-1.checkpoints';
    await client.request({ type: 'subscribe', topics: [topic] });
    const { checkpoint } = await keep(client, { label: 'one', tags: ['a'] });
    const restored = await client.request<Restored>({ type: 'checkpoint.restore', checkpoint });
    await client.request({ type: 'checkpoint.delete', checkpoint });
    const events = await client.gather(4);
    expect(events.map(({ seq, data }) => [seq, data])).toMatchObject([
      [1, { kind: 'created', checkpoint, session: 's-1', label: 'one', tags: ['a'], createdAt: expect.any(Number) }],
      [2, { kind: 'created', checkpoint: restored.checkpoint.checkpoint, tags: ['auto'] }],
      [3, { kind: 'restored', checkpoint, session: 's-1', at: expect.any(Number) }],
      [4, { kind: 'deleted', checkpoint, session: 's-1', at: expect.any(Number) }],
    ]);
    const order = client.frames.flatMap((frame) => {
      if (frame.type === 'event') return [(frame['data'] as { kind: string }).kind];
      return frame.type === 'ok' ? ['ok'] : [];
    });
    expect(order.slice(-7)).toEqual(['ok', 'created', 'ok', 'created', 'restored', 'ok', 'deleted']);
    expect(await client.request({ type: 'history', topic })).toMatchObject({ seq: 4, more: false });
  });
});

test('a delete is answered before its event, however long the rest of it takes', async () => {
  const slow = (engine: Engine): Engine => {
    const commit = engine.records.commit.bind(engine.records);
    engine.records.commit = async (home, change) => {
      // What led to the checkpoint is swept up behind it.
      if (home.startsWith('checkpoint.') && change.del) await setTimeout(50);
      return commit(home, change);
    };
    return engine;
  };
  const { port } = await startGateway({}, { around: slow });
  const client = await join(port);
  await client.request({ type: 'session.create', session: 's-1' });
  const { checkpoint } = await keep(client);
  await client.request({ type: 'subscribe', topics: ['session.s-1.checkpoints'] });
  const id = client.send({ type: 'checkpoint.delete', checkpoint });
  await client.gather(1);
  expect(client.frames.slice(-2)).toMatchObject([
    { type: 'ok', id },
    { type: 'event', data: { kind: 'deleted' } },
  ]);
});

test('a run begins with the state of its checkpoint, and makes one', async () => {
  const { port, engine } = await startGateway();
  const keeper: Agent = {
    name: 'keeper',
    description: 'keeps the state that it was given, one step further',
    async *run({ state, checkpoint }) {
      const { step } = state as { step: number };
      yield 'keeping';
      await checkpoint({ label: 'by the agent', state: { step: step + 1 }, tags: ['agent'] });
      return step;
    },
  };
  await startWorker(engine, { agents: [keeper] });
  const client = await join(port);
  await client.request({ type: 'session.create', session: 's-1' });
  await client.request({ type: 'session.update', session: 's-1', state: { step: 1 } });
  const { checkpoint } = await keep(client, { state: { step: 41 } });
  await client.request({ type: 'run', agent: 'keeper', input: null, session: 's-1', checkpoint });
  const end = await client.waitFor((frame) => (frame['data'] as Fields | undefined)?.['kind'] === 'completed');
  expect(end['data']).toEqual({ kind: 'completed', result: 41 });
  const page = await client.request<CheckpointPage>({ type: 'checkpoint.list', session: 's-1', tag: 'agent' });
  expect(page.checkpoints).toMatchObject([{ label: 'by the agent', state: { step: 42 } }]);
  const told = await client.waitFor((frame) => (frame['data'] as Fields | undefined)?.['kind'] === 'checkpoint');
  expect(told['data']).toEqual({ kind: 'checkpoint', checkpoint: page.checkpoints[0]!.checkpoint });
});

describe('what cannot be', () => {
  const missing = '0198f2a4-5b6c-7d8e-9f01-23456789abcd';

  it.each<[string, Fields, string]>([
    ['a checkpoint of a session that there is not', { type: 'checkpoint.create', session: 'nothing' }, 'not_found'],
    ['ten thousand tags', { type: 'checkpoint.create', tags: Array.from({ length: 10_000 }, String) }, 'bad_request'],
    ['an empty tag', { type: 'checkpoint.create', tags: [''] }, 'bad_request'],
    ['a tag that is too long', { type: 'checkpoint.create', tags: ['x'.repeat(129)] }, 'bad_request'],
    ['a tag that is none', { type: 'checkpoint.create', tags: [1] }, 'bad_request'],
    ['tags that are none', { type: 'checkpoint.create', tags: 'a' }, 'bad_request'],
    ['a label that is too long', { type: 'checkpoint.create', label: 'x'.repeat(1025) }, 'bad_request'],
    ['a checkpoint of a session with a path in it', { type: 'checkpoint.create', session: '../s-1' }, 'bad_request'],
    ['one that there is not', { type: 'checkpoint.get', checkpoint: missing }, 'not_found'],
    ['one with a path in it', { type: 'checkpoint.get', checkpoint: '../../session' }, 'bad_request'],
    ['one named as every object has something', { type: 'checkpoint.get', checkpoint: '__proto__' }, 'not_found'],
    ['none', { type: 'checkpoint.get' }, 'bad_request'],
    ['a restore of one that there is not', { type: 'checkpoint.restore', checkpoint: missing }, 'not_found'],
    ['a restore with a path', { type: 'checkpoint.restore', checkpoint: 'a/b' }, 'bad_request'],
    ['a delete of one that there is not', { type: 'checkpoint.delete', checkpoint: missing }, 'not_found'],
    ['a diff of two that there are not', { type: 'checkpoint.diff', from: missing, to: missing }, 'not_found'],
    ['a diff with nothing', { type: 'checkpoint.diff', from: missing }, 'bad_request'],
    ['a list of a session that there is not', { type: 'checkpoint.list', session: 'nothing' }, 'not_found'],
    ['a cursor that is none', { type: 'checkpoint.list', session: 's-1', cursor: '../x' }, 'bad_request'],
    ['a cursor of another kind', { type: 'checkpoint.list', session: 's-1', cursor: '7:' }, 'bad_request'],
    ['a limit out of range', { type: 'checkpoint.list', session: 's-1', limit: 1001 }, 'bad_request'],
  ])('%s', async (_what, frame, code) => {
    const { client } = await scene();
    expect(await client.refusal(frame['type'] === 'checkpoint.create' ? { session: 's-1', ...frame } : frame)).toBe(
      code,
    );
    const { checkpoints } = await client.request<CheckpointPage>({ type: 'checkpoint.list', session: 's-1' });
    expect(checkpoints).toEqual([]);
  });

  it('a checkpoint of a session that is gone', async () => {
    const { client } = await scene();
    const { checkpoint } = await keep(client);
    await client.request({ type: 'session.delete', session: 's-1' });
    expect(await client.refusal({ type: 'checkpoint.create', session: 's-1' })).toBe('not_found');
    expect(await client.refusal({ type: 'checkpoint.list', session: 's-1' })).toBe('not_found');
    for (const type of ['checkpoint.get', 'checkpoint.restore', 'checkpoint.delete']) {
      expect(await client.refusal({ type, checkpoint })).toBe('not_found');
    }
  });

  /** Deeper than what a client may send, in a format whose encoder has a limit of its own. */
  const nested = (depth: number): unknown => (depth === 0 ? 0 : [nested(depth - 1)]);

  it.each<[string, unknown]>([
    ['a date, which is an extension', new Date()],
    ['bytes', new Uint8Array([1, 2])],
    ['what is no number', Number.NaN],
    ['what has no end', Number.POSITIVE_INFINITY],
    ['what is nested too deep', nested(70)],
  ])('a state in MessagePack that is %s', async (_what, value) => {
    const { client } = await scene('msgpack');
    // Such a frame cannot be read, so its answer has no id.
    for (const type of ['checkpoint.create', 'session.update']) client.send({ type, session: 's-1', state: { value } });
    await client.until(() => client.of('error').length === 2, 'two errors');
    expect(client.of('error')).toMatchObject([{ error: { code: 'bad_frame' } }, { error: { code: 'bad_frame' } }]);
    expect(await client.request({ type: 'checkpoint.list', session: 's-1' })).toEqual({ checkpoints: [] });
    expect(await client.request({ type: 'session.get', session: 's-1' })).toMatchObject({
      session: { rev: 2, state: { step: 1 } },
    });
  });

  it('a state that is longer as JSON than a frame may be', async () => {
    const { port } = await startGateway({ AGENTWIRE_MAX_FRAME_BYTES: '4096' });
    const client = await join(port, { format: 'msgpack' });
    await client.request({ type: 'session.create', session: 's-1' });
    const state = Array.from({ length: 3000 }, () => 1);
    expect(await client.refusal({ type: 'checkpoint.create', session: 's-1', state })).toBe('payload_too_large');
    expect(await client.refusal({ type: 'session.update', session: 's-1', state })).toBe('payload_too_large');
    expect(await client.request({ type: 'checkpoint.list', session: 's-1' })).toEqual({ checkpoints: [] });
  });
});

describe('checkpoints of others', () => {
  it('are not found, and their topics are not to be read', async () => {
    const { port, http } = await startGateway({
      AGENTWIRE_AUTH: 'token',
      AGENTWIRE_TOKENS: 'tok-a=alice,tok-b=bob',
    });
    const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
    const alice = await join(port, { headers: bearer('tok-a') });
    const bob = await join(port, { headers: bearer('tok-b') });
    await alice.request({ type: 'session.create', session: 's-1' });
    await bob.request({ type: 'session.create', session: 's-2' });
    const { checkpoint } = await keep(alice, { state: 'hers' });
    const his = await keep(bob, { session: 's-2', state: 'his' });
    for (const type of ['checkpoint.get', 'checkpoint.restore', 'checkpoint.delete']) {
      expect(await bob.refusal({ type, checkpoint })).toBe('not_found');
    }
    expect(await bob.refusal({ type: 'checkpoint.create', session: 's-1' })).toBe('not_found');
    expect(await bob.refusal({ type: 'checkpoint.list', session: 's-1' })).toBe('not_found');
    expect(await bob.refusal({ type: 'checkpoint.diff', from: his.checkpoint, to: checkpoint })).toBe('not_found');
    expect(await bob.refusal({ type: 'checkpoint.diff', from: checkpoint, to: his.checkpoint })).toBe('not_found');
    for (const topic of ['session.s-1.checkpoints', 'session.s-1.messages', 'session.s-1.runs']) {
      expect(await bob.refusal({ type: 'subscribe', topics: [topic] })).toBe('forbidden');
      expect(await bob.refusal({ type: 'history', topic })).toBe('forbidden');
      await alice.request({ type: 'subscribe', topics: [topic] });
    }
    expect((await http('GET', `/v1/checkpoints/${checkpoint}`, undefined, bearer('tok-b'))).status).toBe(404);
    expect((await http('GET', `/v1/checkpoints/${checkpoint}`)).status).toBe(401);
    const found = await http('GET', `/v1/checkpoints/${checkpoint}`, undefined, bearer('tok-a'));
    expect(found.json()).toMatchObject({ checkpoint: { state: 'hers' } });
  });
});

describe('checkpoints over HTTP', () => {
  it('are made, listed, found, compared, restored and deleted', async () => {
    const { http, client } = await scene();
    const made = await http('POST', '/v1/sessions/s-1/checkpoints', { label: 'one', tags: ['a'] });
    expect([made.status, made.json()]).toMatchObject([201, { checkpoint: { label: 'one', state: { step: 1 } } }]);
    const first = made.json<CheckpointAnswer>().checkpoint.checkpoint;
    expect((await http('GET', `/v1/checkpoints/${first}`)).json()).toEqual(made.json());
    const bare = await http('POST', '/v1/sessions/s-1/checkpoints');
    const second = bare.json<CheckpointAnswer>().checkpoint.checkpoint;
    const page = (await http('GET', '/v1/sessions/s-1/checkpoints?limit=1')).json<CheckpointPage>();
    expect(page.checkpoints).toMatchObject([{ checkpoint: second }]);
    const rest = await http('GET', `/v1/sessions/s-1/checkpoints?cursor=${encodeURIComponent(page.cursor!)}`);
    expect(rest.json()).toMatchObject({ checkpoints: [{ checkpoint: first }] });
    expect((await http('GET', '/v1/sessions/s-1/checkpoints?tag=a')).json()).toEqual({
      checkpoints: [made.json()['checkpoint']],
    });
    await client.request({ type: 'session.update', session: 's-1', state: { step: 2 } });
    const restored = await http('POST', `/v1/checkpoints/${first}/restore`);
    expect([restored.status, restored.json()]).toMatchObject([
      200,
      { session: { state: { step: 1 } }, checkpoint: { state: { step: 2 } } },
    ]);
    const auto = restored.json<Restored>().checkpoint.checkpoint;
    expect((await http('GET', `/v1/checkpoints/${first}/diff/${auto}`)).json()).toEqual({
      changes: [{ op: 'replace', path: '/step', value: 2 }],
    });
    const deleted = await http('DELETE', `/v1/checkpoints/${first}`);
    expect([deleted.status, deleted.json()]).toEqual([200, { checkpoint: first }]);
    expect((await http('DELETE', `/v1/checkpoints/${first}`)).status).toBe(404);
  });

  it.each<[string, string, string, unknown, number, string]>([
    ['one that there is not', 'GET', '/v1/checkpoints/nothing', undefined, 404, 'not_found'],
    ['an id with a path in it', 'GET', '/v1/checkpoints/..%2Fs-1', undefined, 400, 'bad_request'],
    ['a session with a path in it', 'POST', '/v1/sessions/..%2Fs-1/checkpoints', {}, 400, 'bad_request'],
    ['a session that there is not', 'POST', '/v1/sessions/nothing/checkpoints', {}, 404, 'not_found'],
    ['a list of none', 'GET', '/v1/sessions/nothing/checkpoints', undefined, 404, 'not_found'],
    ['a cursor that is none', 'GET', '/v1/sessions/s-1/checkpoints?cursor=%00', undefined, 400, 'bad_request'],
    ['a limit that is none', 'GET', '/v1/sessions/s-1/checkpoints?limit=x', undefined, 400, 'bad_request'],
    ['tags that are none', 'POST', '/v1/sessions/s-1/checkpoints', { tags: {} }, 400, 'bad_request'],
    ['a body that is no map', 'POST', '/v1/sessions/s-1/checkpoints', [1], 400, 'bad_request'],
    ['a diff of none', 'GET', '/v1/checkpoints/a/diff/b', undefined, 404, 'not_found'],
    ['a restore of none', 'POST', '/v1/checkpoints/a/restore', undefined, 404, 'not_found'],
  ])('refuse %s', async (_what, method, path, body, status, code) => {
    const { http } = await scene();
    const answer = await http(method, path, body);
    expect([answer.status, answer.json<{ error: { code: string } }>().error.code]).toEqual([status, code]);
  });
});
