import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import type { CheckpointRecord } from '../../../shared/protocol/checkpoints.ts';
import { startRedis } from '../../support/redis-server.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { alice, Bench, codeOf, got } from './runs-bench.ts';

const kept = { historySize: 1000, historyTtlMs: 600_000, metaTtlMs: 600_000 };

let server: RedisServer;
let stores = 0;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** Gateways of one cluster: two that share a process's store, or two processes' views of one Redis. */
const clusters: { name: string; engines: () => [Engine, Engine] }[] = [
  {
    name: 'in memory',
    engines() {
      const engine = createMemoryEngine(kept);
      return [engine, engine];
    },
  },
  {
    name: 'on Redis',
    engines() {
      const options = { url: server.url, prefix: `k${stores++}`, ...kept };
      return [createRedisEngine(options), createRedisEngine(options)];
    },
  },
];

const many = 40;
const mostKept = 25;

describe.each(clusters)('many at once, $name', ({ engines }) => {
  let both: [Engine, Engine];
  let one: Bench;
  let other: Bench;

  beforeEach(async () => {
    both = engines();
    for (const engine of new Set(both)) await engine.start();
    const keeping = { checkpointsPerSession: mostKept };
    [one, other] = [new Bench(both[0], { keeping }), new Bench(both[1], { keeping })];
    await got(one.parts.sessions.create(alice, { session: 's' }));
  });
  afterEach(async () => {
    for (const engine of new Set(both)) await engine.stop();
  });

  /** Every second one at the other gateway. */
  function crowd<T>(work: (parts: Bench['parts'], i: number) => Promise<T>): Promise<T[]> {
    return Promise.all(Array.from({ length: many }, (_, i) => work((i % 2 ? other : one).parts, i)));
  }

  const count = (codes: readonly string[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
    return counts;
  };

  const listed = async (tag?: string): Promise<CheckpointRecord[]> => {
    const asked = { session: 's', limit: 1000, ...(tag === undefined ? {} : { tag }) };
    return (await got(other.parts.checkpoints.list(alice, asked))).checkpoints;
  };

  /** What was told of is what is there, in the same order; and whatever is listed is whole. */
  async function expectWhole(): Promise<void> {
    const all = await listed();
    const there: unknown[] = [];
    for (const { kind, checkpoint } of await one.events('session.s.checkpoints')) {
      if (kind === 'created') there.unshift(checkpoint);
      if (kind === 'deleted') there.splice(there.indexOf(checkpoint), 1);
    }
    expect(all.map(({ checkpoint }) => checkpoint)).toEqual(there);
    for (const record of all) expect(await got(one.parts.checkpoints.get(alice, record.checkpoint))).toEqual(record);
    const tagged = all.filter(({ tags }) => tags.includes('t'));
    expect(await listed('t')).toEqual(tagged);
    const shelf = must((await got(one.engine.records.read('session.s', ['shelf'])))[0]);
    expect(JSON.parse(shelf.value)).toMatchObject({ count: all.length });
  }

  test('of those who change a session at one rev, one does', async () => {
    const codes = await crowd(({ sessions }, i) => codeOf(sessions.update(alice, { session: 's', rev: 1, state: i })));
    expect(count(codes)).toEqual({ ok: 1, conflict: many - 1 });
    expect(await got(other.parts.sessions.get(alice, 's'))).toMatchObject({ rev: 2, state: codes.indexOf('ok') });
  });

  test('those who change what others do not name, do not undo it', async () => {
    const changes = [{ state: 1 }, { name: 'n' }, { metadata: { m: 1 } }];
    await crowd(({ sessions }, i) => got(sessions.update(alice, { session: 's', ...changes[i % 3] })));
    expect(await got(one.parts.sessions.get(alice, 's'))).toMatchObject({
      rev: many + 1,
      state: 1,
      name: 'n',
      metadata: { m: 1 },
    });
  });

  test('checkpoints are numbered in the order in which they are told of, and the oldest go', async () => {
    await crowd(({ checkpoints }, i) => got(checkpoints.create(alice, { session: 's', state: i, tags: ['t'] })));
    expect(await listed()).toHaveLength(mostKept);
    await expectWhole();
  });

  test('a checkpoint is deleted once', async () => {
    const { checkpoint } = await got(one.parts.checkpoints.create(alice, { session: 's' }));
    const codes = await crowd(({ checkpoints }) => codeOf(checkpoints.delete(alice, checkpoint)));
    expect(count(codes)).toEqual({ ok: 1, not_found: many - 1 });
    await expectWhole();
  });

  test('whatever is done to a session, it stays whole', async () => {
    const early = await got(one.parts.checkpoints.create(alice, { session: 's', state: 'early', tags: ['t'] }));
    await got(one.parts.sessions.say('s', { role: 'user', content: 'late' }));
    const acts: ((parts: Bench['parts'], i: number) => Promise<Result<unknown>>)[] = [
      ({ checkpoints }, i) => checkpoints.create(alice, { session: 's', state: i, tags: ['t'] }),
      ({ checkpoints }) => checkpoints.restore(alice, early.checkpoint),
      ({ sessions }, i) => sessions.update(alice, { session: 's', state: i }),
      ({ sessions }, i) => sessions.say('s', { role: 'user', content: i, message: `m${i % 10}` }),
      async ({ checkpoints }) => {
        const all = await checkpoints.list(alice, { session: 's', limit: 3 });
        const last = all.ok ? all.value.checkpoints.at(-1) : undefined;
        return last ? checkpoints.delete(alice, last.checkpoint) : all;
      },
      async ({ line }, i) => {
        const entered = await line.enter('s', { invocation: `i${i}`, agent: 'a', at: 0 }, i, 'enqueue');
        if (!entered.ok) return entered;
        const messages = [{ role: 'user', content: `run ${i}`, at: 0 }];
        return line.leave('s', `i${i}`, { thread: undefined, messages, state: 'completed' });
      },
    ];
    const codes = await crowd((parts, i) => codeOf(must(acts[i % acts.length])(parts, i)));
    // Two may want to delete the same one, or the one that is restored.
    for (const code of codes) expect(['ok', 'not_found']).toContain(code);
    await expectWhole();
    expect(await one.line('s')).toEqual([]);
    await got(one.parts.sessions.say('s', { role: 'user', content: 'end' }));
    const messages = await one.messages('s');
    expect(messages.at(-1)).toEqual(['user', 'end']);
    expect(new Set(messages.map(([, content]) => content)).size).toBe(messages.length);
  });

  test('of those who delete a session one does, and of those who make it anew one does', async () => {
    await crowd(({ checkpoints }, i) => got(checkpoints.create(alice, { session: 's', state: i, tags: ['t'] })));
    const deleted = await crowd(({ sessions }) => codeOf(sessions.delete(alice, 's')));
    expect(count(deleted)).toEqual({ ok: 1, not_found: many - 1 });
    const made = await crowd(({ sessions }) => codeOf(sessions.create(alice, { session: 's' })));
    expect(count(made)).toEqual({ ok: 1, conflict: many - 1 });
    expect(await listed()).toEqual([]);
    expect((await got(other.parts.sessions.list(alice, { limit: 5 }))).sessions).toHaveLength(1);
  });

  test('a session that is deleted and made again in a crowd is whole, or is not there', async () => {
    const codes = await crowd(({ sessions, checkpoints }, i) => {
      if (i % 4 < 2) return codeOf(sessions.create(alice, { session: 's', name: `${i}` }));
      if (i % 4 === 2) return codeOf(sessions.delete(alice, 's'));
      return codeOf(checkpoints.create(alice, { session: 's', state: i }));
    });
    for (const code of codes) expect(['ok', 'conflict', 'not_found', 'busy']).toContain(code);
    const there = await codeOf(one.parts.sessions.get(alice, 's'));
    const names = (await got(one.parts.sessions.list(alice, { limit: 5 }))).sessions.map(({ session }) => session);
    expect(names).toEqual(there === 'ok' ? ['s'] : []);
    if (there === 'ok') await got(one.parts.sessions.delete(alice, 's'));
    await got(one.parts.sessions.create(alice, { session: 's' }));
    expect(await listed()).toEqual([]);
    await got(one.parts.checkpoints.create(alice, { session: 's', tags: ['t'] }));
    expect(await listed()).toHaveLength(1);
    expect(await listed('t')).toHaveLength(1);
  });

  test('a session is deleted, or has runs: never both', async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < 24; round++) {
      await got(one.parts.sessions.ensure(alice, { session: 'r' }));
      const starts = Array.from({ length: 4 }, async (_, i) => {
        const run = await (i % 2 ? other : one).runs.start(alice, { agent: 'echo', input: i, session: 'r' });
        if (!run.ok) expect(run.code).toBe('not_found');
        return run.ok ? [run.value.run.invocation] : [];
      });
      // A little later each time, and behind all of them at last.
      for (let turn = 0; turn < round; turn++) await (round % 2 ? undefined : new Promise(setImmediate));
      if (round === 23) await Promise.all(starts);
      const deleted = await codeOf(other.parts.sessions.delete(alice, 'r'));
      const started = (await Promise.all(starts)).flat();
      outcomes.add(deleted);
      expect(await codeOf(one.parts.sessions.get(alice, 'r'))).toBe(deleted === 'ok' ? 'not_found' : 'ok');
      if (deleted === 'ok') expect(started).toEqual([]);
      expect((await one.line('r')).toSorted()).toEqual(started.toSorted());
      expect((await one.open()).toSorted()).toEqual(started.toSorted());
      for (const invocation of await one.line('r')) await one.work(invocation);
    }
    expect([...outcomes].toSorted()).toEqual(['conflict', 'ok']);
  });

  test('a session whose run has ended is deleted, also before somebody has settled that', async () => {
    const invocation = await one.start({ session: 's' });
    expect(await codeOf(other.parts.sessions.delete(alice, 's'))).toBe('conflict');
    await one.claim(invocation);
    await one.end(invocation);
    expect(await one.line('s')).toEqual([invocation]);
    expect(await codeOf(other.parts.sessions.delete(alice, 's'))).toBe('ok');
    await one.expectSettled(invocation);
    expect(await one.state(invocation)).toBe('completed');
  });
});
