import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { sessionsTopic } from '../../../shared/domain/sessions/session-events.ts';
import type { Sessions } from '../../../shared/domain/sessions/sessions.ts';
import type { Identity } from '../../../shared/domain/identity.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { topicFault } from '../../../shared/topics/grammar.ts';
import { alice, Bench, bob, codeOf, got, root } from './runs-bench.ts';

let clock: ManualClock;
let bench: Bench;
let sessions: Sessions;

beforeEach(() => {
  clock = new ManualClock();
  bench = new Bench(createMemoryEngine({ historySize: 1000, historyTtlMs: 1e9, metaTtlMs: 1e9, clock }), { clock });
  ({ sessions } = bench.parts);
});

async function pages(identity: Identity, limit: number): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await got(sessions.list(identity, { limit, ...(cursor === undefined ? {} : { cursor }) }));
    expect(page.sessions.length).toBeLessThanOrEqual(limit);
    names.push(...page.sessions.map(({ name }) => name));
    ({ cursor } = page);
  } while (cursor !== undefined);
  return names;
}

describe('the list', () => {
  test('is newest first, of one’s own, and of everybody’s for an admin', async () => {
    for (let i = 0; i < 120; i++) await got(sessions.create(i % 3 ? alice : bob, { name: `${i}` }));
    const all = Array.from({ length: 120 }, (_, i) => `${119 - i}`);
    for (const limit of [7, 60, 1000]) {
      expect(await pages(root, limit)).toEqual(all);
      expect(await pages(alice, limit)).toEqual(all.filter((name) => Number(name) % 3 !== 0));
      expect(await pages(bob, limit)).toEqual(all.filter((name) => Number(name) % 3 === 0));
    }
    expect(await codeOf(sessions.list(alice, { limit: 1, cursor: 'x' }))).toBe('bad_request');
  });

  test('leaves out what was listed and never written, and forgets it when it surely never will be', async () => {
    await got(sessions.create(alice, { session: 's', name: 's' }));
    const { records } = bench.engine;
    const lists = ['all', 'owner:alice'];
    await got(
      records.commit('sessions', {
        put: [{ key: 'entry.never', value: String(clock.now()) }],
        rank: lists.map((list) => ({ list, key: 'never', score: 1 })),
      }),
    );
    const listed = async (): Promise<number> => (await got(records.page('sessions', 'all', { limit: 9 }))).keys.length;
    expect(await pages(alice, 5)).toEqual(['s']);
    expect(await listed()).toBe(2);
    clock.advance(10 * 60 * 1000);
    expect(await pages(alice, 5)).toEqual(['s']);
    expect(await listed()).toBe(1);
    expect((await got(records.page('sessions', 'owner:alice', { limit: 9 }))).keys).toEqual(['s']);
  });

  test('may end a page early, where sessions are large', async () => {
    for (let i = 0; i < 12; i++) {
      await got(sessions.create(alice, { session: `${i}`, name: `${i}` }));
      await got(sessions.update(alice, { session: `${i}`, state: 'x'.repeat(99_000) }));
    }
    const page = await got(sessions.list(alice, { limit: 12 }));
    expect(page.sessions).toHaveLength(11);
    expect(await pages(alice, 12)).toEqual(Array.from({ length: 12 }, (_, i) => `${11 - i}`));
  });
});

describe('an update', () => {
  beforeEach(async () => {
    await got(sessions.create(alice, { session: 's', name: 'n', agent: 'a', metadata: { m: 1 } }));
  });

  test('changes what it names, and nothing else', async () => {
    const before = await got(sessions.get(alice, 's'));
    clock.advance(7);
    const state = { deep: [1, { a: null }] };
    const after = await got(sessions.update(alice, { session: 's', state }));
    expect(after).toEqual({ ...before, state, rev: 2, updatedAt: clock.now() });
    expect(await got(sessions.get(alice, 's'))).toEqual(after);
    expect(await got(sessions.update(root, { session: 's', name: 'x', metadata: {} }))).toMatchObject({
      name: 'x',
      metadata: {},
      state,
      rev: 3,
    });
    expect(await got(sessions.update(alice, { session: 's', state: null }))).toMatchObject({ state: null, rev: 4 });
  });

  test('of a rev is done at that rev only; the conflict tells the present one', async () => {
    await got(sessions.update(alice, { session: 's', rev: 1, state: 1 }));
    expect(await sessions.update(alice, { session: 's', rev: 1, state: 2 })).toMatchObject({
      code: 'conflict',
      details: { rev: 2 },
    });
    expect(await got(sessions.stateOf('s'))).toBe(1);
  });

  test('is refused to others, and of what is not plain or too much', async () => {
    const refused = (asked: object, who = alice): Promise<string> =>
      codeOf(sessions.update(who, { session: 's', ...asked }));
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    expect(await refused({ state: 1 }, bob)).toBe('not_found');
    expect(await refused({ session: 'none' })).toBe('not_found');
    expect(await refused({ state: circular })).toBe('bad_request');
    expect(await refused({ metadata: { f: () => 1 } })).toBe('bad_request');
    for (const name of ['state', 'metadata']) {
      expect(await refused({ [name]: { x: 'é'.repeat(50_000) } })).toBe('payload_too_large');
    }
    expect(await codeOf(sessions.create(alice, { metadata: { x: 'é'.repeat(50_000) } }))).toBe('payload_too_large');
    expect(await got(sessions.get(alice, 's'))).toMatchObject({ rev: 1, state: null, metadata: { m: 1 } });
  });
});

describe('whoever speaks without a run', () => {
  const messages = async (): Promise<unknown[]> =>
    (await got(sessions.messages(alice, { session: 's', limit: 100 }))).messages;

  beforeEach(async () => {
    await got(sessions.create(alice, { session: 's' }));
  });

  test('is heard, and kept among the messages', async () => {
    await bench.work(await bench.start({ session: 's' }));
    const said = await got(sessions.say('s', { role: 'operator', content: { text: 'hi' }, thread: 'side' }));
    expect(said).toMatchObject({ role: 'operator', content: { text: 'hi' }, thread: 'side', at: clock.now() });
    await bench.work(await bench.start({ session: 's' }));
    expect((await messages())[2]).toEqual(said);
    expect(await messages()).toHaveLength(5);
    expect(await bench.events('session.s.messages')).toEqual([{ kind: 'message', ...said }]);
    const after = await got(sessions.messages(alice, { session: 's', after: said.message, limit: 9 }));
    expect(after.messages).toHaveLength(2);
  });

  test('says once what has an id, which is the message’s', async () => {
    const ask = { role: 'operator', content: 'x', message: 'mine' };
    const all = await Promise.all(Array.from({ length: 8 }, () => got(sessions.say('s', ask))));
    for (const one of all) expect(one).toEqual(all[0]);
    expect(all[0]).toMatchObject({ message: 'mine', thread: 'main' });
    await got(sessions.say('s', { role: 'operator', content: 'y' }));
    expect(await messages()).toHaveLength(2);
    expect(await bench.events('session.s.messages')).toHaveLength(2);
    const after = await got(sessions.messages(alice, { session: 's', after: 'mine', limit: 9 }));
    expect(after.messages.map(({ content }) => content)).toEqual(['y']);
  });

  test('says nothing in a session that there is not, nor what is not plain or too much', async () => {
    const refused = (session: string, content: unknown): Promise<string> =>
      codeOf(sessions.say(session, { role: 'operator', content }));
    expect(await refused('none', 'x')).toBe('not_found');
    expect(await refused('s', () => 1)).toBe('bad_request');
    expect(await refused('s', 'é'.repeat(50_000))).toBe('payload_too_large');
    expect(await messages()).toEqual([]);
  });
});

describe('a session that was made', () => {
  test('is told of to whom it belongs, once', async () => {
    const { session, name, createdAt } = await got(sessions.create(alice, { name: 'n' }));
    expect(await codeOf(sessions.create(alice, { session }))).toBe('conflict');
    await got(sessions.ensure(alice, { session }));
    expect(await bench.events('$sessions.alice')).toEqual([{ kind: 'created', session, name, createdAt }]);
  });

  test('is told of on a topic of one’s own, whatever one is called', () => {
    const names = [
      'alice',
      'a.b',
      '',
      'x'.repeat(65),
      'ü',
      '*',
      'auth0|1',
      sessionsTopic('*').slice('$sessions.'.length),
    ];
    const topics = names.map(sessionsTopic);
    expect(topics[0]).toBe('$sessions.alice');
    expect(new Set(topics).size).toBe(names.length);
    for (const topic of topics) expect(topicFault(topic)).toBeUndefined();
  });
});
