import { expect, test } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import { ManualClock } from '../../../shared/base/clock.ts';
import { ok } from '../../../shared/base/errors.ts';
import { isOver } from '../../../shared/domain/runs/run.ts';
import { Sweeper } from '../../../shared/domain/runs/sweeper.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Log } from '../../../shared/observe/log.ts';
import { Dying } from './dying.ts';
import { alice, Bench, codeOf, got } from './runs-bench.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** A session with runs in it, a process that dies, and the others that go on. */
class Stage {
  readonly clock = new ManualClock();
  readonly engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 1e9, metaTtlMs: 1e9, clock: this.clock });
  readonly bench = new Bench(this.engine, { clock: this.clock });
  readonly #sweeper = new Sweeper({
    engine: this.engine,
    store: this.bench.parts.store,
    index: this.bench.parts.index,
    settling: this.bench.parts.settling,
    agents: { known: () => Promise.resolve(ok(true)) },
    worker: 'sweeping',
    clock: this.clock,
    log: silent,
  });

  dying(changes: number, lastIsMute: boolean): { dying: Dying; bench: Bench } {
    const dying = new Dying(this.engine, changes, lastIsMute);
    return { dying, bench: new Bench(dying.engine, { clock: this.clock }) };
  }

  /** The other processes find what was left, and work on it. */
  async recover(): Promise<void> {
    this.#sweeper.start();
    await got(
      this.engine.queue('runs').consume({
        slots: 10,
        work: async ({ data }) => {
          const { store, settling } = this.bench.parts;
          const before = await store.load(data);
          if (!before.ok || isOver(before.value.run)) return 'done';
          const claimed = await this.bench.claim(data, 'next');
          if (!isOver(claimed) && claimed.worker === undefined) return 'done';
          const ended = isOver(claimed) ? claimed : await this.bench.end(data, undefined, data, 'next');
          await got(settling.settle(ended));
          return 'done';
        },
      }),
    );
    for (let i = 0; i < 60; i++) {
      this.clock.advance(2000);
      for (let turns = 0; turns < 6; turns++) await new Promise((resolve) => setImmediate(resolve));
    }
    await this.#sweeper.stop();
  }
}

interface Case {
  /** Before anything dies; gives back the runs that it started. */
  before?: (bench: Bench) => Promise<string[]>;
  /** What the process does that dies of it. */
  does: (bench: Bench, runs: string[]) => Promise<string>;
}

const asked = { agent: 'echo', input: 'new', session: 's', key: 'k' } as const;

async function heldAndQueued(bench: Bench): Promise<string[]> {
  const [held, queued] = [await bench.start({ session: 's' }), await bench.start({ session: 's' })];
  await bench.claim(held, 'w');
  return [held, queued];
}

const cases: Record<string, Case> = {
  'starts a run without a session': {
    does: (bench) => codeOf(bench.runs.start(alice, { agent: 'echo', input: 'new', key: 'k' })),
  },
  'starts a run of a session': { does: (bench) => codeOf(bench.runs.start(alice, asked)) },
  'starts a run that waits': { before: heldAndQueued, does: (bench) => codeOf(bench.runs.start(alice, asked)) },
  'starts a run that is refused': {
    before: heldAndQueued,
    does: (bench) => codeOf(bench.runs.start(alice, { ...asked, whenBusy: 'reject' })),
  },
  'starts a run that interrupts': {
    before: heldAndQueued,
    does: (bench) => codeOf(bench.runs.start(alice, { ...asked, whenBusy: 'interrupt' })),
  },
  'cancels the first of a line': {
    before: async (bench) => [await bench.start({ session: 's' }), await bench.start({ session: 's' })],
    does: (bench, [first]) => codeOf(bench.runs.cancel(alice, must(first))),
  },
  'settles the first of a line': {
    before: heldAndQueued,
    does: async (bench, [first]) => {
      const ended = await bench.end(must(first)).catch(() => undefined);
      return ended ? codeOf(bench.parts.settling.settle(ended)) : 'unavailable';
    },
  },
  'resumes a run': {
    before: async (bench) => {
      const run = await bench.start({ session: 's' });
      await got(bench.runs.pause(alice, run));
      await got(bench.engine.queue('runs').remove(run));
      return [run];
    },
    does: (bench, [run]) => codeOf(bench.runs.resume(alice, must(run))),
  },
};

async function play({ before, does }: Case, changes: number, lastIsMute: boolean): Promise<boolean> {
  const stage = new Stage();
  await stage.engine.start();
  await got(stage.bench.parts.sessions.create(alice, { session: 's' }));
  const runs = (await before?.(stage.bench)) ?? [];
  const { dying, bench } = stage.dying(changes, lastIsMute);
  const code = await does(bench, runs);
  // A client that is not told of a run that exists would start a second one.
  const there = (await got(stage.bench.runs.list(alice, { limit: 10 }))).runs;
  if (code === 'ok') expect(there.length).toBeGreaterThan(0);
  await stage.recover();
  // Whoever paused it and was not told that it goes on, asks again.
  for (const run of runs) {
    const found = await got(stage.bench.runs.status(alice, run));
    if (found.state === 'paused') {
      await got(stage.bench.runs.resume(alice, run));
      await stage.recover();
    }
  }
  const all = (await got(stage.bench.runs.list(alice, { limit: 10 }))).runs;
  expect(all.map(({ invocation }) => invocation)).toEqual(expect.arrayContaining(runs));
  for (const run of all) {
    expect(isOver(run)).toBe(true);
    await stage.bench.expectSettled(run.invocation);
  }
  expect(await stage.bench.open()).toEqual([]);
  expect(await stage.bench.line('s')).toEqual([]);
  const said = (await stage.bench.messages('s')).filter(([role]) => role === 'user');
  expect(said).toHaveLength(all.filter(({ session }) => session === 's').length);
  expect(await got(stage.engine.queue('runs').counts())).toEqual({ waiting: 0, delayed: 0, running: 0 });
  // What was asked for with a key can be asked for again, and is there in the end.
  if (code === 'unavailable' && all.length === runs.length) {
    expect(await codeOf(stage.bench.runs.start(alice, asked))).toBe('ok');
  }
  await stage.engine.stop();
  return dying.survived;
}

test.each(Object.keys(cases))(
  'a process that dies while it %s, after any change, leaves nothing undone',
  async (name) => {
    const one = must(cases[name]);
    for (const lastIsMute of [false, true]) {
      let changes = lastIsMute ? 1 : 0;
      while (!(await play(one, changes, lastIsMute))) changes += 1;
      // It had something to die of.
      expect(changes).toBeGreaterThanOrEqual(2);
    }
  },
);
