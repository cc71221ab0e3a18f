import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail, ok } from '../../../shared/base/errors.ts';
import type { Run } from '../../../shared/domain/runs/run.ts';
import { onNudge } from '../../../shared/domain/runs/run-signals.ts';
import { RunStore } from '../../../shared/domain/runs/run-store.ts';
import { Sweeper } from '../../../shared/domain/runs/sweeper.ts';
import type { OpenRuns, SweeperParts } from '../../../shared/domain/runs/sweeper.ts';
import { isOutOfTime, isWanted, needOf } from '../../../shared/domain/runs/sweeper-need.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Log } from '../../../shared/observe/log.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** A list of open runs and the lines of sessions, in whatever state a crash has left them. */
class Lists implements OpenRuns {
  readonly open: string[] = [];
  readonly lines = new Map<string, string[]>();
  readonly pages: (string | undefined)[] = [];
  readonly dropped: string[] = [];

  openRuns(cursor: string | undefined, limit: number): ReturnType<OpenRuns['openRuns']> {
    this.pages.push(cursor);
    const from = Number(cursor ?? 0);
    const to = from + limit;
    const invocations = this.open.slice(from, to);
    return Promise.resolve(ok(to < this.open.length ? { invocations, cursor: String(to) } : { invocations }));
  }

  headOf(session: string): ReturnType<OpenRuns['headOf']> {
    return Promise.resolve(ok(this.lines.get(session)?.[0]));
  }

  drop(invocation: string): ReturnType<OpenRuns['drop']> {
    this.dropped.push(invocation);
    this.remove(invocation);
    return Promise.resolve(ok(undefined));
  }

  remove(invocation: string): void {
    const at = this.open.indexOf(invocation);
    if (at >= 0) this.open.splice(at, 1);
    for (const [session, line] of this.lines) {
      this.lines.set(
        session,
        line.filter((one) => one !== invocation),
      );
    }
  }
}

class Stage {
  readonly clock = new ManualClock();
  readonly engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 1e12, metaTtlMs: 1e12, clock: this.clock });
  readonly store = new RunStore(this.engine, { historySize: 1000 });
  readonly queue = this.engine.queue('runs');
  readonly lists = new Lists();
  readonly settled: string[] = [];
  readonly nudged: string[] = [];
  readonly known = new Set(['a']);

  sweeper(worker = 'w', parts: Partial<SweeperParts> = {}): Sweeper {
    return new Sweeper({
      engine: this.engine,
      queue: this.queue,
      store: this.store,
      index: this.lists,
      settling: {
        settle: ({ invocation }) => {
          this.settled.push(invocation);
          this.lists.remove(invocation);
          return Promise.resolve(ok(undefined));
        },
      },
      agents: { known: (agent) => Promise.resolve(ok(this.known.has(agent))) },
      worker,
      clock: this.clock,
      log: silent,
      ...parts,
    });
  }

  async start(...sweepers: Sweeper[]): Promise<void> {
    for (const sweeper of sweepers) sweeper.start();
    await onNudge(this.engine.signals, 'worker', (invocation) => void this.nudged.push(invocation));
  }

  async write(invocation: string, run: Partial<Run> = {}): Promise<void> {
    const made: Run = {
      invocation,
      agent: 'a',
      owner: 'o',
      state: 'queued',
      attempt: 0,
      fence: 0,
      takeovers: 0,
      retries: 0,
      priority: 0,
      timeoutMs: 120_000,
      createdAt: this.clock.now(),
      pending: [],
      decisions: {},
      metadata: {},
      ...run,
    };
    expect(await this.store.create(made, { input: null })).toMatchObject({ ok: true });
    this.lists.open.push(invocation);
  }

  async line(session: string, ...invocations: string[]): Promise<void> {
    this.lists.lines.set(session, invocations);
    for (const invocation of invocations) await this.write(invocation, { session });
  }

  async round(times = 1): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.clock.advance(2000);
      for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async jobs(...invocations: string[]): Promise<boolean[]> {
    const has = await this.queue.has(invocations);
    if (!has.ok) throw new Error(has.message);
    return has.value;
  }

  async state(invocation: string): Promise<string> {
    const loaded = await this.store.load(invocation);
    return loaded.ok ? loaded.value.run.state : loaded.code;
  }
}

describe('the sweeper', () => {
  test('gives a job to every run that should have one, and to no other', async () => {
    const stage = new Stage();
    await stage.write('queued', { priority: 3 });
    await stage.write('running', { state: 'running', worker: 'dead' });
    await stage.write('waiting', { state: 'waiting_approval', worker: 'dead' });
    await stage.write('resumed', { state: 'paused', worker: 'dead' });
    await stage.write('cancelled', { state: 'paused', pauseRequested: true, worker: 'dead', cancel: { reason: '' } });
    await stage.write('paused', { state: 'paused', pauseRequested: true });
    await stage.line('s', 'first', 'second');
    await stage.start(stage.sweeper());
    await stage.round();
    expect(
      await stage.jobs('queued', 'running', 'waiting', 'resumed', 'cancelled', 'paused', 'first', 'second'),
    ).toEqual([true, true, true, true, true, false, true, false]);
  });

  test('settles what has ended, which moves the line of its session on', async () => {
    const stage = new Stage();
    await stage.line('s', 'first', 'second');
    await stage.store.change('first', (run) => ok({ run: { ...run, state: 'completed' }, events: [] }));
    await stage.start(stage.sweeper());
    await stage.round();
    expect(stage.settled).toEqual(['first']);
    await stage.round();
    expect(await stage.jobs('second')).toEqual([true]);
  });

  test('finds the end of a run that stops a line, though it is on no list any more', async () => {
    const stage = new Stage();
    await stage.line('s', 'first', 'second');
    await stage.store.change('first', (run) => ok({ run: { ...run, state: 'failed' }, events: [] }));
    stage.lists.open.splice(stage.lists.open.indexOf('first'), 1);
    await stage.start(stage.sweeper());
    await stage.round(2);
    expect(stage.settled).toEqual(['first']);
    expect(await stage.jobs('second')).toEqual([true]);
  });

  test('drops what was listed and never written, after a while', async () => {
    const stage = new Stage();
    stage.lists.open.push('ghost');
    await stage.line('s', 'second');
    stage.lists.lines.set('s', ['ghost', 'second']);
    await stage.start(stage.sweeper());
    await stage.round(30);
    expect(stage.lists.dropped).toEqual([]);
    await stage.round(2);
    expect(stage.lists.dropped).toEqual(['ghost']);
    await stage.round();
    expect(await stage.jobs('second')).toEqual([true]);
  });

  test('does not drop what was only slow to be written', async () => {
    const stage = new Stage();
    stage.lists.open.push('slow');
    await stage.start(stage.sweeper());
    await stage.round(29);
    stage.lists.remove('slow');
    await stage.write('slow');
    await stage.round(29);
    expect(stage.lists.dropped).toEqual([]);
    expect(await stage.jobs('slow')).toEqual([true]);
  });

  test('says again to a worker what somebody wants of its run', async () => {
    const stage = new Stage();
    const worker = 'worker';
    const decisions = { c: { decision: 'approve' as const } };
    await stage.write('cancel', { state: 'running', worker, cancel: { reason: '' } });
    await stage.write('pause', { state: 'running', worker, pauseRequested: true });
    await stage.write('resume', { state: 'paused', worker });
    await stage.write('decided', { state: 'waiting_approval', worker, decisions });
    await stage.write('busy', { state: 'running', worker, decisions });
    await stage.write('undecided', { state: 'waiting_approval', worker });
    for (const id of stage.lists.open) await stage.queue.add({ id, data: id });
    await stage.start(stage.sweeper());
    await stage.round();
    expect(stage.nudged.toSorted()).toEqual(['cancel', 'decided', 'pause', 'resume']);
  });

  test('gives up a run that no worker can begin, once it is out of time', async () => {
    const stage = new Stage();
    await stage.write('hopeless', { agent: 'gone' });
    await stage.write('brief', { agent: 'gone', timeoutMs: 1 });
    await stage.write('begun', { agent: 'gone', state: 'running', worker: 'dead', startedAt: stage.clock.now() });
    await stage.write('late', { agent: 'a' });
    await stage.write('asked', { agent: 'gone', state: 'waiting_approval', worker: 'dead' });
    await stage.start(stage.sweeper());
    await stage.round(29);
    expect(await stage.state('brief')).toBe('queued');
    await stage.round(3);
    expect(await stage.state('brief')).toBe('failed');
    expect(await stage.state('hopeless')).toBe('queued');
    await stage.round(30);
    expect(await Promise.all(['hopeless', 'begun', 'late', 'asked'].map((id) => stage.state(id)))).toEqual([
      'failed',
      'failed',
      'queued',
      'waiting_approval',
    ]);
    expect(stage.settled.toSorted()).toEqual(['begun', 'brief', 'hopeless']);
    expect(await stage.jobs('hopeless', 'late')).toEqual([false, true]);
    const read = await stage.engine.log.read('run.begun', { limit: 10, reverse: true });
    expect(read.ok && read.value.events[0]?.body).toContain('"code":"no_worker"');
  });

  test('looks at a bounded number in a round, and goes on where it stopped', async () => {
    const stage = new Stage();
    for (let i = 0; i < 1200; i++) await stage.write(`r${i}`);
    await stage.start(stage.sweeper());
    await stage.round();
    expect(await stage.jobs('r499', 'r500')).toEqual([true, false]);
    await stage.round(3);
    expect(await stage.jobs('r500', 'r1199')).toEqual([true, true]);
    expect(stage.lists.pages).toEqual([undefined, '500', '1000', undefined]);
  });

  test('is one at a time, and the next when that one is gone', async () => {
    const stage = new Stage();
    const first = stage.sweeper('one');
    const second = stage.sweeper('two');
    await stage.start(first, second);
    await stage.round(5);
    expect(stage.lists.pages).toHaveLength(5);
    // One that stops hands it over at once; one that dies is missed after its lease.
    await first.stop();
    await stage.round(5);
    expect(stage.lists.pages).toHaveLength(10);
    await second.stop();
    await stage.round(2);
    expect(stage.lists.pages).toHaveLength(10);
    expect(stage.clock.pending).toBe(0);
  });

  test('takes over from one that died', async () => {
    const stage = new Stage();
    await stage.engine.leases.hold('sweeper', [{ member: 'sweeper', value: 'dead' }], 6000);
    await stage.start(stage.sweeper());
    await stage.round(2);
    expect(stage.lists.pages).toHaveLength(0);
    await stage.round(2);
    expect(stage.lists.pages.length).toBeGreaterThan(0);
  });

  test('goes on when the store comes back, and after a fault', async () => {
    const stage = new Stage();
    await stage.write('r');
    let faults: (() => never) | undefined = () => {
      throw new Error('a bug');
    };
    let away = true;
    const { queue } = stage;
    const index: OpenRuns = {
      openRuns(cursor, limit) {
        faults?.();
        return stage.lists.openRuns(cursor, limit);
      },
      headOf: (session) => stage.lists.headOf(session),
      drop: (invocation) => stage.lists.drop(invocation),
    };
    const flaky: SweeperParts['queue'] = {
      add: (job) => queue.add(job),
      remove: (id) => queue.remove(id),
      has: (ids) => (away ? Promise.resolve(fail('unavailable')) : queue.has(ids)),
    };
    await stage.start(stage.sweeper('w', { index, queue: flaky }));
    await stage.round();
    faults = undefined;
    await stage.round();
    expect(await stage.jobs('r')).toEqual([false]);
    away = false;
    await stage.round();
    expect(await stage.jobs('r')).toEqual([true]);
  });
});

test('what a record tells of a run’s needs', () => {
  const run = (part: Partial<Run>): Run => ({ state: 'queued', decisions: {}, ...part }) as Run;
  expect(needOf(run({ state: 'cancelled' }))).toBe('settled');
  expect(needOf(run({ state: 'paused', pauseRequested: true }))).toBe('rest');
  expect(needOf(run({ state: 'paused', pauseRequested: true, cancel: { reason: '' } }))).toBe('work');
  expect(needOf(run({ state: 'paused' }))).toBe('work');
  expect(isWanted(run({ state: 'running', cancel: { reason: '' } }))).toBe(false);
  const begun = run({ state: 'running', createdAt: 0, startedAt: 1_000_000, timeoutMs: 100_000 });
  expect(isOutOfTime(begun, 1_099_999)).toBe(false);
  expect(isOutOfTime(begun, 1_100_001)).toBe(true);
  expect(isOutOfTime({ ...begun, timeoutMs: 1 }, 1_050_000)).toBe(false);
});
