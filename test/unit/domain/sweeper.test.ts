import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail, ok } from '../../../shared/base/errors.ts';
import { Line } from '../../../shared/domain/runs/line.ts';
import type { WhenBusy } from '../../../shared/domain/runs/line.ts';
import { step } from '../../../shared/domain/runs/machine.ts';
import { RunIndex } from '../../../shared/domain/runs/run-index.ts';
import type { Run } from '../../../shared/domain/runs/run.ts';
import { onNudge } from '../../../shared/domain/runs/run-signals.ts';
import { RunStore } from '../../../shared/domain/runs/run-store.ts';
import { Settling } from '../../../shared/domain/runs/settling.ts';
import { Sweeper } from '../../../shared/domain/runs/sweeper.ts';
import type { SweeperParts } from '../../../shared/domain/runs/sweeper.ts';
import { isOutOfTime, isWanted, needOf } from '../../../shared/domain/runs/sweeper-need.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Queue } from '../../../shared/engine/engine.ts';
import type { Log } from '../../../shared/observe/log.ts';
import { alice, Bench, got } from './runs-bench.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** Runs in whatever state a crash has left them. */
class Stage {
  readonly clock = new ManualClock();
  readonly engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 1e12, metaTtlMs: 1e12, clock: this.clock });
  readonly store = new RunStore(this.engine, { historySize: 1000 });
  readonly queue = this.engine.queue('runs');
  readonly line = new Line(this.engine);
  readonly index = new RunIndex(this.engine, this.line, this.clock);
  readonly settling = new Settling({
    engine: this.engine,
    store: this.store,
    clock: this.clock,
    line: this.line,
    index: this.index,
  });
  readonly known = new Set(['a']);
  readonly nudged: string[] = [];
  /** What the sweepers asked the list for. */
  readonly pages: (string | undefined)[] = [];
  readonly #sessions = new Bench(this.engine, { clock: this.clock }).parts.sessions;
  #listed = 0;

  sweeper(worker = 'w', parts: Partial<SweeperParts> = {}): Sweeper {
    return new Sweeper({
      engine: this.engine,
      store: this.store,
      index: {
        openRuns: (cursor, limit) => {
          this.pages.push(cursor);
          return this.index.openRuns(cursor, limit);
        },
        headOf: (session) => this.index.headOf(session),
        drop: (...args) => this.index.drop(...args),
      },
      settling: this.settling,
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

  /** As far as a start goes before the record. */
  async list(invocation: string, session?: string, whenBusy: WhenBusy = 'enqueue'): Promise<void> {
    const rank = ++this.#listed;
    const entry = { owner: 'o', ...(session === undefined ? {} : { session }) };
    expect(await this.index.opened(invocation, entry, rank, 0)).toMatchObject({ ok: true });
    if (session === undefined) return;
    await got(this.#sessions.ensure(alice, { session }));
    const inLine = { invocation, agent: 'a', at: this.clock.now() };
    expect(await this.line.enter(session, inLine, rank, whenBusy)).toMatchObject({ ok: true });
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
  }

  async begin(invocation: string, run: Partial<Run> = {}): Promise<void> {
    await this.list(invocation, run.session);
    await this.write(invocation, run);
  }

  /** The end of it, after which its worker died. */
  async end(invocation: string): Promise<void> {
    const ended = { do: 'give up', error: { code: 'c', message: 'm' }, at: 1 } as const;
    expect(await this.store.change(invocation, (run) => step(run, ended))).toMatchObject({ ok: true });
  }

  async round(times = 1): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.clock.advance(2000);
      for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async open(): Promise<string[]> {
    const page = await this.index.openRuns(undefined, 1000);
    if (!page.ok) throw new Error(page.message);
    return page.value.invocations;
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
    await stage.begin('queued', { priority: 3 });
    await stage.begin('running', { state: 'running', worker: 'dead' });
    await stage.begin('waiting', { state: 'waiting_approval', worker: 'dead' });
    await stage.begin('resumed', { state: 'paused', worker: 'dead' });
    await stage.begin('cancelled', { state: 'paused', pauseRequested: true, worker: 'dead', cancel: { reason: '' } });
    await stage.begin('paused', { state: 'paused', pauseRequested: true });
    await stage.begin('first', { session: 's' });
    await stage.begin('second', { session: 's' });
    await stage.start(stage.sweeper());
    await stage.round();
    expect(
      await stage.jobs('queued', 'running', 'waiting', 'resumed', 'cancelled', 'paused', 'first', 'second'),
    ).toEqual([true, true, true, true, true, false, true, false]);
  });

  test('settles what has ended, which moves the line of its session on', async () => {
    const stage = new Stage();
    await stage.begin('first', { session: 's' });
    await stage.begin('second', { session: 's' });
    await stage.end('first');
    await stage.start(stage.sweeper());
    await stage.round();
    expect(await stage.open()).toEqual(['second']);
    expect(await stage.jobs('second')).toEqual([true]);
  });

  test('finds the end of a run that stops a line, though it is on no list any more', async () => {
    const stage = new Stage();
    await stage.begin('first', { session: 's' });
    await stage.begin('second', { session: 's' });
    await stage.end('first');
    const first = await stage.store.load('first');
    if (first.ok) await stage.index.closed(first.value.run);
    await stage.start(stage.sweeper());
    await stage.round();
    expect(await stage.jobs('second')).toEqual([true]);
  });

  test('drops what was listed and never written, after a while', async () => {
    const stage = new Stage();
    await stage.list('ghost', 's');
    await stage.begin('second', { session: 's' });
    await stage.start(stage.sweeper());
    await stage.round(5);
    expect(await stage.open()).toEqual(['ghost', 'second']);
    expect(await stage.jobs('second')).toEqual([false]);
    await stage.round(2);
    expect(await stage.open()).toEqual(['second']);
    expect(await stage.jobs('second')).toEqual([true]);
  });

  test('does not drop what was only slow to be written', async () => {
    const stage = new Stage();
    await stage.list('slow');
    await stage.start(stage.sweeper());
    await stage.round(4);
    await stage.write('slow');
    await stage.round(10);
    expect(await stage.jobs('slow')).toEqual([true]);
  });

  test('interrupts a run that was written only after another had wanted its place', async () => {
    const stage = new Stage();
    await stage.list('first', 's');
    await stage.list('second', 's', 'interrupt');
    await stage.write('second', { session: 's' });
    await stage.write('first', { session: 's' });
    await stage.start(stage.sweeper());
    await stage.round(2);
    expect(await stage.state('first')).toBe('cancelled');
    expect(await stage.jobs('first', 'second')).toEqual([false, true]);
  });

  test('gives a job to a run that stands in no line, when no other has the turn', async () => {
    const stage = new Stage();
    await stage.begin('lost', { session: 's' });
    await stage.line.leave('s', 'lost');
    await stage.start(stage.sweeper());
    await stage.round();
    expect(await stage.jobs('lost')).toEqual([true]);
  });

  test('says again to a worker what somebody wants of its run', async () => {
    const stage = new Stage();
    const worker = 'worker';
    const decisions = { c: { decision: 'approve' as const } };
    await stage.begin('cancel', { state: 'running', worker, cancel: { reason: '' } });
    await stage.begin('pause', { state: 'running', worker, pauseRequested: true });
    await stage.begin('resume', { state: 'paused', worker });
    await stage.begin('decided', { state: 'waiting_approval', worker, decisions });
    await stage.begin('busy', { state: 'running', worker, decisions });
    await stage.begin('undecided', { state: 'waiting_approval', worker });
    for (const id of await stage.open()) await stage.queue.add({ id, data: id });
    await stage.start(stage.sweeper());
    await stage.round();
    expect(stage.nudged.toSorted()).toEqual(['cancel', 'decided', 'pause', 'resume']);
  });

  test('gives up a run that no worker can begin, once it is out of time', async () => {
    const stage = new Stage();
    await stage.begin('hopeless', { agent: 'gone' });
    await stage.begin('brief', { agent: 'gone', timeoutMs: 1 });
    await stage.begin('begun', { agent: 'gone', state: 'running', worker: 'dead', startedAt: stage.clock.now() });
    await stage.begin('late', { agent: 'a' });
    await stage.begin('asked', { agent: 'gone', state: 'waiting_approval', worker: 'dead' });
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
    expect(await stage.open()).toEqual(['late', 'asked']);
    expect(await stage.jobs('hopeless', 'late')).toEqual([false, true]);
    const read = await stage.engine.log.read('run.begun', { limit: 10, reverse: true });
    expect(read.ok && read.value.events[0]?.body).toContain('"code":"no_worker"');
  });

  test('looks at a bounded number in a round, and goes on where it stopped', async () => {
    const stage = new Stage();
    for (let i = 0; i < 10_200; i++) await stage.begin(`r${i}`);
    await stage.start(stage.sweeper());
    await stage.round();
    expect(await stage.jobs('r9999', 'r10000')).toEqual([true, false]);
    await stage.round();
    expect(await stage.jobs('r10000', 'r10199')).toEqual([true, true]);
    expect(stage.pages.filter((cursor) => cursor === undefined).length).toBe(1);
    await stage.round();
    expect(stage.pages.filter((cursor) => cursor === undefined).length).toBe(2);
  });

  test('is one at a time, and the next when that one is gone', async () => {
    const stage = new Stage();
    const first = stage.sweeper('one');
    const second = stage.sweeper('two');
    await stage.start(first, second);
    await stage.round(5);
    expect(stage.pages).toHaveLength(5);
    // One that stops hands it over at once; one that dies is missed after its lease.
    await first.stop();
    await stage.round(5);
    expect(stage.pages).toHaveLength(10);
    await second.stop();
    await stage.round(2);
    expect(stage.pages).toHaveLength(10);
    expect(stage.clock.pending).toBe(0);
  });

  test('takes over from one that died', async () => {
    const stage = new Stage();
    await stage.engine.leases.hold('sweeper', [{ member: 'sweeper', value: 'dead' }], 6000);
    await stage.start(stage.sweeper());
    await stage.round(2);
    expect(stage.pages).toHaveLength(0);
    await stage.round(2);
    expect(stage.pages.length).toBeGreaterThan(0);
  });

  test('goes on when the store comes back, and after a fault', async () => {
    const stage = new Stage();
    await stage.begin('r');
    let faults: (() => never) | undefined = () => {
      throw new Error('a bug');
    };
    let away = true;
    const { queue } = stage;
    const index: SweeperParts['index'] = {
      openRuns(cursor, limit) {
        faults?.();
        return stage.index.openRuns(cursor, limit);
      },
      headOf: (session) => stage.index.headOf(session),
      drop: (...args) => stage.index.drop(...args),
    };
    const flaky: Queue = {
      add: (job) => queue.add(job),
      remove: (id) => queue.remove(id),
      has: (ids) => (away ? Promise.resolve(fail('unavailable')) : queue.has(ids)),
      counts: () => queue.counts(),
      consume: (options) => queue.consume(options),
    };
    const { leases, signals } = stage.engine;
    await stage.start(stage.sweeper('w', { index, engine: { leases, signals, queue: () => flaky } }));
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
