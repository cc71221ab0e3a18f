import { expect, test } from 'vitest';
import { fail, ok } from '../../../shared/base/errors.ts';
import type { AgentwireClient } from '../../../shared/client/index.ts';
import { codeOf, connected, harness } from './harness.ts';
import type { Harness } from './harness.ts';

type Frame = Record<string, unknown>;

/** The frames of one type that reached the server, over all connections. */
function asked({ server }: Harness, type: string): Frame[] {
  return server.sockets.flatMap(({ received }) => received.filter((frame) => frame['type'] === type));
}

/** What was sent arrives and is done, and the connection goes before the answer; then it comes back. */
async function cutBeforeAnswer(made: Harness): Promise<void> {
  const { socket } = made.server;
  socket!.toServer();
  socket!.cut();
  await made.pass(6000);
}

/** Sessions by id, made once each. */
function keepSessions({ server }: Harness): Map<string, Frame> {
  const kept = new Map<string, Frame>();
  server.answers.set('session.create', ({ session, name = session }) => {
    if (kept.has(session as string)) return fail('conflict');
    kept.set(session as string, { session, name });
    return ok({ session: kept.get(session as string) });
  });
  server.answers.set('session.get', ({ session }) => {
    const found = kept.get(session as string);
    return found ? ok({ session: found }) : fail('not_found');
  });
  return kept;
}

test('a session is made once and given, though the answer is lost', async () => {
  const made = await connected();
  const kept = keepSessions(made);
  const making = made.client.sessions.create({ name: 'a talk' });
  await cutBeforeAnswer(made);
  const record = await making;
  expect(record.name).toBe('a talk');
  expect([...kept.keys()]).toEqual([record.session]);
  expect(asked(made, 'session.create')).toHaveLength(2);
});

test('an id of your own is not asked for twice, and a conflict is told', async () => {
  const made = await connected();
  keepSessions(made);
  const making = codeOf(made.client.sessions.create({ session: 'mine' }));
  await cutBeforeAnswer(made);
  expect(await making).toBe('unavailable');
  expect(asked(made, 'session.create')).toHaveLength(1);
  const again = codeOf(made.client.sessions.create({ session: 'mine' }));
  await made.quiet();
  expect(await again).toBe('conflict');
});

const writes: Record<string, (client: AgentwireClient) => Promise<unknown>> = {
  'session.update': ({ sessions }) => sessions.update('s', { rev: 1, state: 1 }),
  'session.delete': ({ sessions }) => sessions.delete('s'),
  'checkpoint.create': ({ checkpoints }) => checkpoints.create('s'),
  'checkpoint.restore': ({ checkpoints }) => checkpoints.restore('c'),
  'checkpoint.delete': ({ checkpoints }) => checkpoints.delete('c'),
};

test.each(Object.keys(writes))('%s waits while offline, and is sent once at most', async (type) => {
  const made = harness();
  made.server.answers.set(type, () => ok({}));
  const early = codeOf(writes[type]!(made.client));
  void made.client.connect();
  await made.quiet();
  expect(await early).toBe('resolved');
  const late = codeOf(writes[type]!(made.client));
  await cutBeforeAnswer(made);
  expect(await late).toBe('unavailable');
  expect(asked(made, type)).toHaveLength(2);
  await made.client.close();
  expect(await codeOf(writes[type]!(made.client))).toBe('conflict');
});

const reads: Record<string, { read: (client: AgentwireClient) => Promise<unknown>; result: unknown }> = {
  'session.get': { read: ({ sessions }) => sessions.get('s'), result: {} },
  'session.list': { read: ({ sessions }) => sessions.list().page(), result: { sessions: [] } },
  'session.messages': { read: ({ sessions }) => sessions.messages('s').page(), result: { messages: [], more: false } },
  'checkpoint.get': { read: ({ checkpoints }) => checkpoints.get('c'), result: {} },
  'checkpoint.list': { read: ({ checkpoints }) => checkpoints.list('s').page(), result: { checkpoints: [] } },
  'checkpoint.diff': { read: ({ checkpoints }) => checkpoints.diff('c', 'd'), result: { changes: [] } },
};

test.each(Object.keys(reads))('%s is asked again after a cut', async (type) => {
  const made = await connected();
  const { read, result } = reads[type]!;
  made.server.answers.set(type, () => ok(result));
  const reading = codeOf(read(made.client));
  await cutBeforeAnswer(made);
  expect(await reading).toBe('resolved');
  expect(asked(made, type)).toHaveLength(2);
});

/** A loop over all of it, with everything arriving meanwhile. */
async function all<Item>(made: Harness, list: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  let over = false;
  const loop = (async () => {
    for await (const item of list) items.push(item);
  })().finally(() => (over = true));
  while (!over) await made.quiet();
  await loop;
  return items;
}

test('a loop reads page by page to the end, over pages that are empty, and asks for no more than it gets to', async () => {
  const made = await connected();
  const pages = [[1, 2], [], [3], []];
  made.server.answers.set('checkpoint.list', ({ cursor = '0' }) => {
    const at = Number(cursor);
    const next = at + 1 < pages.length ? { cursor: `${at + 1}` } : {};
    return ok({ checkpoints: pages[at]!.map((checkpoint) => ({ checkpoint })), ...next });
  });
  const list = made.client.checkpoints.list('s', { tag: 'safe', limit: 2 });
  await made.quiet();
  expect(asked(made, 'checkpoint.list')).toEqual([]);
  for (const _ of [1, 2]) {
    expect((await all(made, list)).map(({ checkpoint }) => checkpoint)).toEqual([1, 2, 3]);
  }
  const [, , , , { id: _id, ...second } = {}] = asked(made, 'checkpoint.list');
  expect(second).toEqual({
    type: 'checkpoint.list',
    session: 's',
    tag: 'safe',
    limit: 2,
  });
  const leaving = (async () => {
    for await (const _ of list) break;
  })();
  await made.quiet();
  await leaving;
  expect(asked(made, 'checkpoint.list')).toHaveLength(9);
  const page = list.page('2');
  await made.quiet();
  expect(await page).toEqual({ items: [{ checkpoint: 3 }], cursor: '3' });
});

test('messages are read on behind the last one of a page, from where they were asked for', async () => {
  const made = await connected();
  const kept = ['a', 'b', 'c', 'd', 'e'].map((message) => ({ message }));
  made.server.answers.set('session.messages', ({ after }) => {
    const from =
      typeof after === 'string' ? kept.findIndex(({ message }) => message === after) + 1 : Number(after ?? 0);
    return ok({ messages: kept.slice(from, from + 2), more: from + 2 < kept.length });
  });
  const read = (after?: number | string): Promise<string> =>
    all(made, made.client.sessions.messages('s', after === undefined ? {} : { after })).then((messages) =>
      messages.map(({ message }) => message).join(''),
    );
  expect(await read()).toBe('abcde');
  expect(await read(1)).toBe('bcde');
  expect(await read('c')).toBe('de');
});

test('a loop throws what the server refuses with', async () => {
  const made = await connected();
  made.server.answers.set('session.list', () => fail('rate_limited'));
  expect(await codeOf(all(made, made.client.sessions.list()))).toBe('rate_limited');
});
