import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { isOver } from '../../../shared/domain/runs/run.ts';
import type { Run } from '../../../shared/domain/runs/run.ts';
import type { Started, StartRun } from '../../../shared/domain/runs/start.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { createRedisEngine } from '../../../shared/engine/redis/redis-engine.ts';
import { startRedis } from '../../support/redis-server.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { alice, Bench, got } from './runs-bench.ts';

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
      const options = { url: server.url, prefix: `r${stores++}`, ...kept };
      return [createRedisEngine(options), createRedisEngine(options)];
    },
  },
];

const many = 40;

describe.each(clusters)('many at once, $name', ({ engines }) => {
  let both: [Engine, Engine];
  let one: Bench;
  let other: Bench;

  beforeEach(async () => {
    both = engines();
    for (const engine of new Set(both)) await engine.start();
    [one, other] = [new Bench(both[0]), new Bench(both[1])];
    await got(one.parts.sessions.create(alice, { session: 's' }));
  });
  afterEach(async () => {
    for (const engine of new Set(both)) await engine.stop();
  });

  /** Every second one at the other gateway. */
  function crowd<T>(work: (bench: Bench, i: number) => Promise<T>): Promise<T[]> {
    return Promise.all(Array.from({ length: many }, (_, i) => work(i % 2 ? other : one, i)));
  }

  const starts = (asked: Partial<StartRun>): Promise<Result<Started>[]> =>
    crowd((bench, i) => bench.runs.start(alice, { agent: 'echo', input: i, ...asked }));

  const started = (results: readonly Result<Started>[]): string[] =>
    results.flatMap((result) => (result.ok ? [result.value.run.invocation] : []));

  const codes = (results: readonly Result<unknown>[]): string[] =>
    results.flatMap((result) => (result.ok ? [] : [result.code]));

  test('one key is one run', async () => {
    const results = await starts({ key: 'k', session: 's' });
    expect(codes(results)).toEqual([]);
    const [invocation, ...others] = new Set(started(results));
    expect(others).toEqual([]);
    expect(results.filter((result) => result.ok && !result.value.duplicate)).toHaveLength(1);
    expect(await other.eventsOf(must(invocation))).toEqual([{ kind: 'queued' }]);
    expect(await one.line('s')).toEqual([invocation]);
    expect(await one.open()).toEqual([invocation]);
    expect(await one.events('session.s.runs')).toHaveLength(1);
  });

  test('one key is one run and one exchange of messages, also while it runs and ends', async () => {
    const results = await crowd(async (bench, i) => {
      const result = await bench.runs.start(alice, { agent: 'echo', input: 'hello', key: 'k', session: 's' });
      if (result.ok && !result.value.duplicate) await bench.work(result.value.run.invocation, `by ${i}`);
      return result;
    });
    expect(codes(results)).toEqual([]);
    expect(new Set(started(results)).size).toBe(1);
    expect(await one.messages('s')).toEqual([
      ['user', 'hello'],
      ['assistant', expect.stringMatching(/^by /)],
    ]);
    expect(await one.line('s')).toEqual([]);
    await one.expectSettled(must(started(results)[0]));
  });

  test('of those that would not wait one is started', async () => {
    const results = await starts({ session: 's', whenBusy: 'reject' });
    expect(started(results)).toHaveLength(1);
    expect(new Set(codes(results))).toEqual(new Set(['busy']));
    expect(await one.line('s')).toEqual(started(results));
    expect(await one.open()).toEqual(started(results));
  });

  test('those that wait come to work one by one, and each in its turn', async () => {
    const waiting = started(await starts({ session: 's' }));
    expect(waiting).toHaveLength(many);
    const line = await one.line('s');
    expect(line.toSorted()).toEqual(waiting.toSorted());
    for (const [i, invocation] of line.entries()) {
      const queued = await got(other.engine.queue('runs').has(line));
      expect(queued.map((is, n) => is && n >= i)).toEqual(line.map((_, n) => n === i));
      await (i % 2 ? one : other).work(invocation, invocation);
      await got(one.engine.queue('runs').remove(invocation));
    }
    const said = (await one.messages('s')).filter(([role]) => role === 'assistant').map(([, content]) => content);
    expect(said).toEqual(line);
    expect(await one.open()).toEqual([]);
  });

  test('of those that interrupt each other the last one stays', async () => {
    const all = started(await starts({ session: 's', whenBusy: 'interrupt' }));
    expect(all).toHaveLength(many);
    const line = await one.line('s');
    expect(line).toHaveLength(1);
    const states = await Promise.all(all.map((invocation) => other.state(invocation)));
    expect(states.toSorted()).toEqual([...Array.from({ length: many - 1 }, () => 'cancelled'), 'queued']);
    expect(await one.state(must(line[0]))).toBe('queued');
    expect(await one.hasJob(must(line[0]))).toBe(true);
    expect(await one.open()).toEqual(line);
    expect(await one.messages('s')).toHaveLength(many - 1);
  });

  test('a quota lets through exactly as many as it says', async () => {
    const limited = both.map((engine) => new Bench(engine, { maxRunsPerIdentity: 7 }));
    const results = await crowd((_bench, i) => must(limited[i % 2]).runs.start(alice, { agent: 'echo', input: i }));
    expect(started(results)).toHaveLength(7);
    expect(new Set(codes(results))).toEqual(new Set(['quota_exceeded']));
    expect(await one.open()).toHaveLength(7);
  });

  test('settling stores each message once, in the session and in its thread', async () => {
    const [main, side] = [await one.start({ session: 's' }), await one.start({ session: 's', thread: 'side' })];
    const ended: Run[] = [];
    for (const invocation of [main, side]) {
      await one.claim(invocation);
      ended.push(await one.end(invocation, undefined, invocation));
    }
    const settled = await crowd((bench, i) => bench.parts.settling.settle(must(ended[i % 3 ? 0 : 1])));
    expect(codes(settled)).toEqual([]);
    expect((await one.messages('s')).map(([, content]) => String(content)).toSorted()).toEqual(
      ['hello', 'hello', main, side].toSorted(),
    );
    for (const [thread, invocation] of [
      ['main', main],
      ['side', side],
    ] as const) {
      const last = await got(other.parts.sessions.lastMessages('s', thread, 10));
      expect(last.map(({ content }) => content)).toEqual(['hello', invocation]);
    }
    for (const invocation of [main, side]) await one.expectSettled(invocation);
  });

  test('a cancel is accepted once it is asked for, by whomever, and the run ends once', async () => {
    const invocation = await one.start({ session: 's' });
    const answers = await crowd((bench, i) => bench.runs.cancel(alice, invocation, `${i}`));
    // Whoever comes after the end is told so.
    expect(new Set(codes(answers))).toEqual(new Set(['conflict']));
    expect(answers.some(({ ok }) => ok)).toBe(true);
    expect(await one.state(invocation)).toBe('cancelled');
    expect(await one.line('s')).toEqual([]);
    expect(await one.messages('s')).toEqual([['user', 'hello']]);
    await one.expectSettled(invocation);
  });

  test('a cancel that meets the claim of a worker is heeded all the same', async () => {
    const invocations = await crowd((bench) => bench.start());
    await Promise.all(
      invocations.map(async (invocation) => {
        const [claimed, cancelled] = await Promise.all([
          one.claim(invocation, 'w').catch(() => undefined),
          other.runs.cancel(alice, invocation, 'enough'),
        ]);
        expect(cancelled.ok).toBe(true);
        // The worker got it first, and has yet to hear of the cancel.
        if (claimed && !isOver(claimed)) await got(one.parts.settling.settle(await one.end(invocation)));
        expect((await other.eventsOf(invocation)).at(-1)).toEqual({ kind: 'cancelled', reason: 'enough' });
        await other.expectSettled(invocation);
      }),
    );
  });

  test('a cancel that meets the start with the same key ends the run that is started, or finds none', async () => {
    await crowd(async (bench, i) => {
      const { invocation } = (await got(bench.runs.start(alice, { agent: 'echo', input: i, key: `${i}` }))).run;
      const [again, cancelled] = await Promise.all([
        other.runs.start(alice, { agent: 'echo', input: i, key: `${i}` }),
        one.runs.cancel(alice, invocation),
      ]);
      expect([again.ok, cancelled.ok]).toEqual([true, true]);
      expect(await bench.state(invocation)).toBe('cancelled');
      await bench.expectSettled(invocation);
    });
  });

  test('pages of a list are the same at both, in the order of the starts', async () => {
    const all: string[] = [];
    for (let i = 0; i < 12; i++) all.unshift(await one.start());
    const first = await got(other.runs.list(alice, { limit: 5 }));
    const rest = await got(other.runs.list(alice, { limit: 100, cursor: must(first.cursor) }));
    expect([...first.runs, ...rest.runs].map(({ invocation }) => invocation)).toEqual(all);
    expect(rest.cursor).toBeUndefined();
  });
});
