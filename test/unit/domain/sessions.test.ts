import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { derivedId, numberIn } from '../../../shared/domain/derived-ids.ts';
import type { Line } from '../../../shared/domain/runs/line.ts';
import type { Sessions } from '../../../shared/domain/sessions/sessions.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import type { Message } from '../../../shared/protocol/sessions.ts';
import { alice, Bench, bob, codeOf, got, root } from './runs-bench.ts';

let clock: ManualClock;
let engine: Engine;
let sessions: Sessions;
let line: Line;
let runs = 0;

function reset(): void {
  clock = new ManualClock();
  engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 600_000, metaTtlMs: 600_000, clock });
  ({ sessions, line } = new Bench(engine, { clock }).parts);
}
beforeEach(reset);

/** A run of the session that says this, one text a message. */
async function said(thread: string | undefined, ...texts: string[]): Promise<string> {
  const invocation = `i-${runs++}`;
  const messages = texts.map((content, i) => ({ role: i ? 'assistant' : 'user', content, at: clock.now() }));
  await got(line.enter('s', { invocation, agent: 'a', at: 0 }, runs, 'enqueue'));
  await got(line.leave('s', invocation, { thread, messages, state: 'completed' }));
  return invocation;
}

const texts = (messages: readonly Message[]): unknown[] => messages.map(({ content }) => content);

describe('a session', () => {
  test('is as it was made, for its owner and for an admin', async () => {
    const made = await got(sessions.create(alice, { session: 's', name: 'n', agent: 'a', metadata: { m: 1 } }));
    const at = clock.now();
    expect(made).toEqual({
      session: 's',
      name: 'n',
      agent: 'a',
      state: null,
      metadata: { m: 1 },
      rev: 1,
      createdAt: at,
      updatedAt: at,
    });
    clock.advance(5);
    expect(await got(sessions.get(alice, 's'))).toEqual(made);
    expect(await got(sessions.get(root, 's'))).toEqual(made);
    expect(await codeOf(sessions.get(bob, 's'))).toBe('not_found');
    expect(await codeOf(sessions.get(alice, 'none'))).toBe('not_found');
    expect(await got(sessions.stateOf('s'))).toBeNull();
    expect(await codeOf(sessions.stateOf('none'))).toBe('not_found');
  });

  test('is called by its id where it has no name, and has a new id where none is given', async () => {
    const [one, two] = [await got(sessions.create(alice, {})), await got(sessions.create(alice, {}))];
    expect(one.session).toMatch(/^[\da-f-]{36}$/);
    expect(one.session).not.toBe(two.session);
    expect(one).toMatchObject({ name: one.session, metadata: {} });
    expect('agent' in one).toBe(false);
  });

  test('is made once', async () => {
    const made = await Promise.all([alice, alice, bob].map((who) => codeOf(sessions.create(who, { session: 's' }))));
    expect(made.toSorted()).toEqual(['conflict', 'conflict', 'ok']);
  });

  test('is ensured by making it once, and not for somebody else', async () => {
    const all = await Promise.all(
      Array.from({ length: 9 }, () => got(sessions.ensure(alice, { session: 's', name: 'n' }))),
    );
    for (const one of all) expect(one).toEqual(all[0]);
    expect(await codeOf(sessions.ensure(bob, { session: 's' }))).toBe('forbidden');
    expect(await codeOf(sessions.ensure(root, { session: 's' }))).toBe('ok');
    expect((await got(sessions.ensure(alice, {}))).session).not.toBe('s');
  });
});

describe('messages', () => {
  beforeEach(async () => {
    await got(sessions.create(alice, { session: 's' }));
  });

  test('come in the order of the runs, by session and by thread', async () => {
    clock.advance(7);
    const one = await said(undefined, 'a', 'b');
    await said('side', 'c', 'd');
    await said(undefined, 'e');
    const { messages, more } = await got(sessions.messages(alice, { session: 's', limit: 10 }));
    expect([texts(messages), more]).toEqual([['a', 'b', 'c', 'd', 'e'], false]);
    expect(messages[1]).toEqual({
      message: derivedId([one], 2),
      thread: 'main',
      role: 'assistant',
      content: 'b',
      at: clock.now(),
      invocation: one,
    });
    const of = async (thread: string): Promise<unknown[]> =>
      texts((await got(sessions.messages(alice, { session: 's', thread, limit: 10 }))).messages);
    expect(await of('main')).toEqual(['a', 'b', 'e']);
    expect(await of('side')).toEqual(['c', 'd']);
    expect(await of('none')).toEqual([]);
    expect(texts(await got(sessions.lastMessages('s', 'main', 2)))).toEqual(['b', 'e']);
    expect(texts(await got(sessions.lastMessages('s', 'main', 100)))).toEqual(['a', 'b', 'e']);
    expect(await got(sessions.lastMessages('s', 'none', 5))).toEqual([]);
  });

  test('are not for others, and not after what is no message of theirs', async () => {
    await said(undefined, 'a');
    await said('side', 'b');
    expect(await codeOf(sessions.messages(bob, { session: 's', limit: 1 }))).toBe('not_found');
    const { messages } = await got(sessions.messages(alice, { session: 's', limit: 10 }));
    const after = (id: string, thread?: string): Promise<string> =>
      codeOf(sessions.messages(alice, { session: 's', after: id, limit: 1, ...(thread ? { thread } : {}) }));
    expect(await after('nonsense')).toBe('not_found');
    expect(await after(derivedId(['other'], 1))).toBe('not_found');
    expect(await after(derivedId(['other'], 99))).toBe('not_found');
    expect(await after(messages[0]!.message, 'side')).toBe('not_found');
    expect(await after(messages[1]!.message, 'side')).toBe('ok');
  });

  test('come whole in pages of any size, from any message on', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('main', 'side', 'b.main', '1.a'), fc.nat(3)), { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(undefined, 'main', 'side', 'b.main', '1.a'),
        fc.boolean(),
        async (exchanges, limit, thread, byId) => {
          reset();
          await got(sessions.create(alice, { session: 's' }));
          const all: [string, string][] = [];
          for (const [of, count] of exchanges) {
            const contents = Array.from({ length: count }, (_, i) => `${all.length + i}`);
            await said(of, ...contents);
            all.push(...contents.map((content): [string, string] => [of, content]));
          }
          const wanted = all.filter(([of]) => thread === undefined || of === thread).map(([, content]) => content);
          const seen: Message[] = [];
          for (let more = true; more;) {
            const after = byId ? seen.at(-1)?.message : seen.length;
            const page = await got(
              sessions.messages(alice, {
                session: 's',
                limit,
                ...(thread === undefined ? {} : { thread }),
                ...(after === undefined ? {} : { after }),
              }),
            );
            if (page.more) expect(page.messages).toHaveLength(limit);
            seen.push(...page.messages);
            ({ more } = page);
          }
          expect(texts(seen)).toEqual(wanted);
          expect(new Set(seen.map(({ message }) => message)).size).toBe(seen.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});

test('an id that is derived is a UUID, the same each time, and gives its number back', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.nat(2 ** 31 - 1), (from, number) => {
      for (const id of [derivedId(from), derivedId(from, number)]) {
        expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
      }
      expect(derivedId([...from])).toBe(derivedId(from));
      expect(numberIn(derivedId(from, number))).toBe(number);
    }),
  );
  // Names that run into each other are still two names.
  expect(derivedId(['a', 'bc'])).not.toBe(derivedId(['ab', 'c']));
  expect(numberIn(crypto.randomUUID())).toBeUndefined();
});
