import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail } from '../../../shared/base/errors.ts';
import { onNudge } from '../../../shared/domain/runs/run-signals.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { alice, Bench, bob, codeOf, got, root, through } from './runs-bench.ts';

const dayMs = 24 * 60 * 60 * 1000;

let clock: ManualClock;
let bench: Bench;

function newBench(options: { maxRunsPerIdentity?: number } = {}): Bench {
  clock = new ManualClock();
  const engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 30 * dayMs, metaTtlMs: 30 * dayMs, clock });
  return new Bench(engine, { clock, ...options });
}

beforeEach(() => {
  bench = newBench();
});

async function nudges(worker: string): Promise<string[]> {
  const heard: string[] = [];
  await got(onNudge(bench.engine.signals, worker, (invocation) => void heard.push(invocation)));
  return heard;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a start', () => {
  test('writes the run, and puts it on the queue with its priority', async () => {
    const jobs: object[] = [];
    const { run, duplicate } = await got(
      bench.runs.start(alice, { agent: 'echo', input: { a: 1 }, priority: 7, timeoutMs: 5, metadata: { m: 1 } }),
    );
    expect(duplicate).toBe(false);
    expect(run).toMatchObject({ agent: 'echo', owner: 'alice', state: 'queued', priority: 7, timeoutMs: 5 });
    expect(run.metadata).toEqual({ m: 1 });
    expect(await got(bench.runs.status(alice, run.invocation))).toEqual(run);
    expect((await got(bench.parts.store.loadWithInput(run.invocation))).asked).toEqual({ input: { a: 1 } });
    expect(await bench.eventsOf(run.invocation)).toEqual([{ kind: 'queued' }]);
    await got(
      bench.engine.queue('runs').consume({
        slots: 1,
        work: ({ id, data }) => (jobs.push({ id, data }), Promise.resolve('done')),
      }),
    );
    await turn();
    expect(jobs).toEqual([{ id: run.invocation, data: run.invocation }]);
  });

  test('has the time limit of the broker where it names none', async () => {
    const invocation = await bench.start();
    expect((await got(bench.runs.status(alice, invocation))).timeoutMs).toBe(60_000);
  });

  test('of what cannot be started leaves nothing behind', async () => {
    await got(bench.parts.sessions.create(alice, { session: 's' }));
    await got(bench.parts.sessions.create(alice, { session: 't' }));
    const { checkpoint } = await got(bench.parts.checkpoints.create(alice, { session: 't' }));
    const refused = async (asked: object, identity = alice): Promise<string> =>
      codeOf(bench.runs.start(identity, { agent: 'echo', input: 1, ...asked }));
    expect(await refused({ agent: 'nobody' })).toBe('not_found');
    expect(await refused({ session: 'none' })).toBe('not_found');
    expect(await refused({ session: 's' }, bob)).toBe('not_found');
    expect(await refused({ session: 's', checkpoint: 'none' })).toBe('not_found');
    expect(await refused({ session: 's', checkpoint })).toBe('not_found');
    expect(await refused({ checkpoint })).toBe('not_found');
    expect(await bench.open()).toEqual([]);
    expect(await bench.line('s')).toEqual([]);
    expect(await got(bench.runs.list(root, { limit: 10 }))).toEqual({ runs: [] });
    expect(await refused({ session: 't', checkpoint })).toBe('ok');
  });

  test('that could not be queued is no failure: the run is there', async () => {
    const { engine } = bench;
    const queue = { ...bench.engine.queue('runs'), add: () => Promise.resolve(fail('unavailable')) };
    const broken = new Bench(through(engine, { queue: () => queue }), { clock });
    const invocation = await broken.start();
    expect(await bench.state(invocation)).toBe('queued');
    expect(await bench.hasJob(invocation)).toBe(false);
    expect(await bench.open()).toEqual([invocation]);
  });
});

describe('a key', () => {
  test('is the same run, whatever else is asked for, and whether or not it has ended', async () => {
    const first = await got(bench.runs.start(alice, { agent: 'echo', input: 1, key: 'k' }));
    expect(first.duplicate).toBe(false);
    expect(first.run.invocation).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    const again = await got(bench.runs.start(alice, { agent: 'gone', input: 2, key: 'k', session: 'none' }));
    expect(again).toEqual({ run: first.run, duplicate: true });
    await bench.work(first.run.invocation);
    const late = await got(bench.runs.start(alice, { agent: 'echo', input: 1, key: 'k' }));
    expect(late).toMatchObject({ run: { invocation: first.run.invocation, state: 'completed' }, duplicate: true });
    expect(await bench.open()).toEqual([]);
  });

  test('is of one identity', async () => {
    const one = await bench.start({ key: 'k' });
    expect(await bench.start({ key: 'k' }, bob)).not.toBe(one);
    expect(await bench.start({ key: 'l' })).not.toBe(one);
  });

  test('brings a run to the queue that was left before it', async () => {
    const one = await bench.start({ key: 'k' });
    await got(bench.engine.queue('runs').remove(one));
    await bench.start({ key: 'k' });
    expect(await bench.hasJob(one)).toBe(true);
  });

  test('whose run is no longer kept is a conflict, and nothing is left of it', async () => {
    await got(bench.parts.sessions.create(alice, { session: 's' }));
    await bench.work(await bench.start({ key: 'k', session: 's' }));
    clock.advance(dayMs + 1);
    expect(await codeOf(bench.runs.start(alice, { agent: 'echo', input: 1, key: 'k', session: 's' }))).toBe('conflict');
    expect(await bench.open()).toEqual([]);
    expect(await bench.line('s')).toEqual([]);
    expect(await got(bench.runs.list(alice, { limit: 10, session: 's' }))).toEqual({ runs: [] });
  });
});

describe('the line of a session', () => {
  beforeEach(async () => {
    await got(bench.parts.sessions.create(alice, { session: 's' }));
  });

  test('brings one run to work at a time, and tells of it', async () => {
    const [one, two] = [await bench.start({ session: 's' }), await bench.start({ session: 's', priority: 9 })];
    expect([await bench.hasJob(one), await bench.hasJob(two)]).toEqual([true, false]);
    await bench.work(one);
    expect(await bench.hasJob(two)).toBe(true);
    await bench.work(two);
    expect(await bench.line('s')).toEqual([]);
    expect(await bench.events('session.s.runs')).toEqual([
      { kind: 'queued', invocation: one, agent: 'echo' },
      { kind: 'queued', invocation: two, agent: 'echo' },
      { kind: 'ended', invocation: one, state: 'completed' },
      { kind: 'ended', invocation: two, state: 'completed' },
    ]);
    for (const run of [one, two]) await bench.expectSettled(run);
  });

  test('refuses those that would not wait, and keeps nothing of them', async () => {
    const one = await bench.start({ session: 's', whenBusy: 'reject' });
    const asked = { agent: 'echo', input: 1, session: 's', whenBusy: 'reject' } as const;
    expect(await codeOf(bench.runs.start(alice, asked))).toBe('busy');
    await bench.runs.pause(alice, one);
    expect(await codeOf(bench.runs.start(alice, asked))).toBe('busy');
    expect(await bench.open()).toEqual([one]);
    await bench.runs.cancel(alice, one);
    expect(await codeOf(bench.runs.start(alice, asked))).toBe('ok');
  });

  test('is emptied for a run that interrupts, which begins when the last of them has ended', async () => {
    const heard = await nudges('w');
    const [held, queued] = [await bench.start({ session: 's' }), await bench.start({ session: 's' })];
    await bench.claim(held);
    const last = await bench.start({ session: 's', whenBusy: 'interrupt' });
    await turn();
    expect(heard).toEqual([held]);
    // Those behind the first are cancelled as their turn comes, so that what was said in them stays in order.
    expect([await bench.state(held), await bench.state(queued)]).toEqual(['running', 'queued']);
    expect(await bench.line('s')).toEqual([held, queued, last]);
    expect(await bench.hasJob(last)).toBe(false);
    await got(bench.parts.settling.settle(await bench.end(held)));
    expect([await bench.state(held), await bench.state(queued)]).toEqual(['cancelled', 'cancelled']);
    expect((await bench.eventsOf(queued)).at(-1)).toEqual({ kind: 'cancelled', reason: 'interrupted' });
    expect(await bench.hasJob(queued)).toBe(false);
    const said = await got(bench.parts.sessions.messages(alice, { session: 's', limit: 10 }));
    expect(said.messages.map(({ invocation }) => invocation)).toEqual([held, held, queued]);
    expect(await bench.hasJob(last)).toBe(true);
  });

  test('interrupts a run that is written only after it was interrupted', async () => {
    // The start of the first one stops after it stands in line.
    const at = clock.now();
    await got(bench.parts.index.opened('i', { owner: 'alice', session: 's' }, 1, 0));
    await got(bench.parts.line.enter('s', { invocation: 'i', agent: 'echo', at }, 1, 'enqueue'));
    const last = await bench.start({ session: 's', whenBusy: 'interrupt' });
    const { run } = await got(
      bench.parts.store.create({ ...(await got(bench.runs.status(alice, last))), invocation: 'i' }, { input: 1 }),
    );
    await got(bench.parts.settling.enqueue(run));
    expect(await bench.state('i')).toBe('cancelled');
    expect(await bench.hasJob(last)).toBe(true);
  });

  test('has a bound', async () => {
    for (let i = 0; i < 100; i++) await bench.start({ session: 's' });
    for (const whenBusy of ['enqueue', 'interrupt'] as const) {
      expect(await codeOf(bench.runs.start(alice, { agent: 'echo', input: 1, session: 's', whenBusy }))).toBe('busy');
    }
    expect(await bench.open()).toHaveLength(100);
  });

  test('gives a run its turn when the one before it is cancelled', async () => {
    const [one, two, three] = [
      await bench.start({ session: 's' }),
      await bench.start({ session: 's' }),
      await bench.start({ session: 's' }),
    ];
    await got(bench.runs.cancel(alice, two));
    expect([await bench.hasJob(one), await bench.hasJob(three)]).toEqual([true, false]);
    await got(bench.runs.cancel(alice, one));
    expect([await bench.hasJob(one), await bench.hasJob(three)]).toEqual([false, true]);
    expect(await bench.line('s')).toEqual([three]);
  });

  test('keeps a run from the queue that is resumed before its turn', async () => {
    const [one, two] = [await bench.start({ session: 's' }), await bench.start({ session: 's' })];
    await got(bench.runs.pause(alice, two));
    expect((await got(bench.runs.resume(alice, two))).state).toBe('queued');
    expect(await bench.hasJob(two)).toBe(false);
    await got(bench.runs.pause(alice, two));
    await bench.work(one);
    expect(await bench.hasJob(two)).toBe(false);
    await got(bench.runs.resume(alice, two));
    expect(await bench.hasJob(two)).toBe(true);
  });
});

describe('settling', () => {
  beforeEach(async () => {
    await got(bench.parts.sessions.create(alice, { session: 's' }));
  });

  test('stores what was said and what came of it, once', async () => {
    const one = await bench.start({ session: 's', input: { n: 1 }, said: 'one' });
    await bench.claim(one);
    const ended = await bench.end(one, undefined, 'first');
    for (let i = 0; i < 3; i++) await got(bench.parts.settling.settle(ended));
    expect(await bench.messages('s')).toEqual([
      ['user', 'one'],
      ['assistant', 'first'],
    ]);
    expect((await bench.events('session.s.runs')).map(({ kind }) => kind)).toEqual(['queued', 'ended']);
    await bench.expectSettled(one);
  });

  test('stores what was said of a run that nobody worked on', async () => {
    const one = await bench.start({ session: 's', input: 'never mind' });
    await got(bench.runs.cancel(alice, one));
    expect(await bench.messages('s')).toEqual([['user', 'never mind']]);
    await bench.expectSettled(one);
  });

  test('goes on where it stopped', async () => {
    const one = await bench.start({ session: 's' });
    await bench.claim(one);
    const ended = await bench.end(one);
    const { store } = bench.parts;
    const messages = [{ role: 'user', content: 'as settled before', at: 1 }];
    await got(bench.parts.line.leave('s', one, { thread: undefined, messages, state: 'completed' }));
    expect(await got(store.outcome(one))).toBeDefined();
    await got(bench.parts.settling.settle(ended));
    expect(await bench.messages('s')).toEqual([['user', 'as settled before']]);
    await bench.expectSettled(one);
  });

  test('keeps neither input nor outcome of a run without a session', async () => {
    const one = await bench.start();
    await bench.claim(one);
    const ended = await bench.end(one);
    const kept = await got(bench.engine.records.read(`run.${one}`, ['run', 'input', 'outcome']));
    expect(kept).toEqual([expect.anything(), undefined, undefined]);
    await got(bench.parts.settling.settle(ended));
    await bench.expectSettled(one);
  });
});

describe('control', () => {
  test('of another’s run, or of none, is not found', async () => {
    const run = await bench.start();
    const asked = (identity: typeof alice, id: string): Promise<string[]> =>
      Promise.all([
        codeOf(bench.runs.status(identity, id)),
        codeOf(bench.runs.cancel(identity, id)),
        codeOf(bench.runs.pause(identity, id)),
        codeOf(bench.runs.resume(identity, id)),
        codeOf(bench.runs.approve(identity, id, 'c', { decision: 'approve' })),
      ]);
    for (const id of ['none', '', 'a.b', '#', '{x}', '__proto__', 'x'.repeat(65)]) {
      expect(new Set(await asked(alice, id))).toEqual(new Set(['not_found']));
    }
    expect(new Set(await asked(bob, run))).toEqual(new Set(['not_found']));
    expect(await bench.state(run)).toBe('queued');
    expect(await codeOf(bench.runs.cancel(root, run))).toBe('ok');
  });

  test('a cancel ends what nobody holds, takes its job away, and is refused afterwards', async () => {
    const run = await bench.start();
    expect(await got(bench.runs.cancel(alice, run, 'enough'))).toMatchObject({ state: 'cancelled' });
    expect(await bench.hasJob(run)).toBe(false);
    expect(await bench.eventsOf(run)).toEqual([{ kind: 'queued' }, { kind: 'cancelled', reason: 'enough' }]);
    await bench.expectSettled(run);
    expect(await codeOf(bench.runs.cancel(alice, run))).toBe('conflict');
    expect(await codeOf(bench.runs.pause(alice, run))).toBe('conflict');
    expect(await codeOf(bench.runs.resume(alice, run))).toBe('conflict');
    expect(await codeOf(bench.runs.approve(alice, run, 'c', { decision: 'approve' }))).toBe('conflict');
  });

  test('is on the record before the worker that holds the run, and no other, is told', async () => {
    const [heard, others] = [await nudges('w'), await nudges('v')];
    const run = await bench.start();
    await bench.claim(run);
    expect(await got(bench.runs.cancel(alice, run, 'enough'))).toMatchObject({
      state: 'running',
      cancel: { reason: 'enough' },
    });
    await turn();
    expect(heard).toEqual([run]);
    await got(bench.runs.cancel(alice, run, 'again'));
    await turn();
    expect(heard).toEqual([run, run]);
    expect(others).toEqual([]);
    expect(await bench.end(run)).toMatchObject({ state: 'cancelled', cancel: { reason: 'enough' } });
  });

  test('a call is decided once', async () => {
    const heard = await nudges('w');
    const run = await bench.start();
    await bench.claim(run);
    await bench.change(run, { do: 'ask', worker: 'w', call: { call: 'c', name: 'delete', args: 1 } });
    expect(await codeOf(bench.runs.approve(alice, run, 'other', { decision: 'approve' }))).toBe('not_found');
    const decided = await got(bench.runs.approve(alice, run, 'c', { decision: 'approve', note: 'n', input: null }));
    expect(decided.decisions).toEqual({ c: { decision: 'approve', note: 'n', input: null } });
    expect(await codeOf(bench.runs.approve(alice, run, 'c', { decision: 'reject' }))).toBe('conflict');
    await turn();
    expect(heard).toEqual([run]);
  });

  test('a resumed run that nobody holds is back on the queue', async () => {
    const run = await bench.start();
    await bench.claim(run);
    await got(bench.runs.pause(alice, run));
    await bench.change(run, { do: 'hand back', worker: 'w' });
    await got(bench.engine.queue('runs').remove(run));
    expect((await got(bench.runs.status(alice, run))).state).toBe('paused');
    expect((await got(bench.runs.resume(alice, run))).state).toBe('queued');
    expect(await bench.hasJob(run)).toBe(true);
  });
});

describe('the list', () => {
  test('has the newest first, of the identity or of all', async () => {
    const [one, two] = [await bench.start(), await bench.start()];
    const of = await bench.start({}, bob);
    const ids = async (identity: typeof alice): Promise<string[]> =>
      (await got(bench.runs.list(identity, { limit: 10 }))).runs.map(({ invocation }) => invocation);
    expect(await ids(alice)).toEqual([two, one]);
    expect(await ids(bob)).toEqual([of]);
    expect(await ids(root)).toEqual([of, two, one]);
  });

  test('has of a session what the identity may see, and of another’s session nothing', async () => {
    await got(bench.parts.sessions.create(alice, { session: 's' }));
    const own = await bench.start({ session: 's' });
    await bench.start();
    const others = await bench.start({ session: 's' }, root);
    const ids = async (identity: typeof alice): Promise<string[]> =>
      (await got(bench.runs.list(identity, { session: 's', limit: 10 }))).runs.map(({ invocation }) => invocation);
    expect(await ids(alice)).toEqual([own]);
    expect(await ids(root)).toEqual([others, own]);
    expect(await codeOf(bench.runs.list(bob, { session: 's', limit: 10 }))).toBe('not_found');
  });

  test.each([1, 2, 3, 7])('comes whole in pages of %i, by state or not', async (limit) => {
    const all: string[] = [];
    for (let i = 0; i < 23; i++) all.unshift(await bench.start());
    for (const i of [0, 4, 5, 6, 22]) await got(bench.runs.cancel(alice, all[i]!));
    const pages = async (asked: { state?: 'cancelled' | 'queued' }): Promise<string[]> => {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const from = cursor === undefined ? {} : { cursor };
        const page = await got(bench.runs.list(alice, { ...asked, limit, ...from }));
        expect(page.runs.length).toBeLessThanOrEqual(limit);
        seen.push(...page.runs.map(({ invocation }) => invocation));
        ({ cursor } = page);
      } while (cursor !== undefined);
      return seen;
    };
    expect(await pages({})).toEqual(all);
    expect(await pages({ state: 'cancelled' })).toEqual([0, 4, 5, 6, 22].map((i) => all[i]));
  });

  test('looks at a bounded number of runs for the few that are wanted', async () => {
    const rare = await bench.start();
    for (let i = 0; i < 1000; i++) await bench.start();
    await got(bench.runs.cancel(alice, rare));
    const page = await got(bench.runs.list(alice, { state: 'cancelled', limit: 1 }));
    expect(page.runs).toEqual([]);
    const { runs } = await got(bench.runs.list(alice, { state: 'cancelled', limit: 1, cursor: page.cursor! }));
    expect(runs.map(({ invocation }) => invocation)).toEqual([rare]);
  });

  test('forgets what is no longer kept, and refuses cursors of nobody', async () => {
    for (let i = 0; i < 64; i++) await bench.work(await bench.start());
    clock.advance(dayMs + 1);
    expect((await got(bench.runs.list(alice, { limit: 100 }))).runs).toEqual([]);
    for (let i = 0; i < 64; i++) await bench.work(await bench.start());
    for (const list of ['all', 'owner:alice', 'ended']) {
      expect((await got(bench.engine.records.page('runs', list, { limit: 1000 }))).keys).toHaveLength(64);
    }
    expect(await codeOf(bench.runs.list(alice, { limit: 1, cursor: 'nonsense' }))).toBe('bad_request');
  });
});

describe('the quota of an identity', () => {
  test('counts runs that have not ended', async () => {
    bench = newBench({ maxRunsPerIdentity: 2 });
    const [one] = [await bench.start({ key: 'k' }), await bench.start()];
    expect(await codeOf(bench.runs.start(alice, { agent: 'echo', input: 1 }))).toBe('quota_exceeded');
    expect(await codeOf(bench.runs.start(alice, { agent: 'echo', input: 1, key: 'k' }))).toBe('ok');
    expect(await codeOf(bench.runs.start(bob, { agent: 'echo', input: 1 }))).toBe('ok');
    await bench.work(one);
    expect(await codeOf(bench.runs.start(alice, { agent: 'echo', input: 1 }))).toBe('ok');
    expect(await codeOf(bench.runs.start(alice, { agent: 'echo', input: 1 }))).toBe('quota_exceeded');
  });
});
