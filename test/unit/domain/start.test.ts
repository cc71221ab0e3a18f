import { beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { ok } from '../../../shared/base/errors.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import { alice, Bench, got, through } from './runs-bench.ts';

let clock: ManualClock;
let engine: Engine;
let bench: Bench;

beforeEach(async () => {
  clock = new ManualClock();
  engine = createMemoryEngine({ historySize: 1000, historyTtlMs: 1e9, metaTtlMs: 1e9, clock });
  bench = new Bench(engine, { clock });
  for (const session of ['s', 't']) await got(bench.parts.sessions.create(alice, { session }));
});

/** A gateway that has looked for the run of its key before there was one, and goes on only now. */
function late(): Bench {
  let looked = false;
  const read: Engine['records']['read'] = (home, keys) => {
    if (looked || !home.startsWith('run.')) return engine.records.read(home, keys);
    looked = true;
    return Promise.resolve(ok(keys.map(() => undefined)));
  };
  return new Bench(through(engine, { records: { read } }), { clock });
}

/** A gateway that stands still before it writes the run, while this happens. */
function slow(meanwhile: (invocation: string) => Promise<void>, maxRunsPerIdentity = 0): Bench {
  const commit: Engine['records']['commit'] = async (home, change) => {
    if (home.startsWith('run.') && change.put) await meanwhile(home.slice('run.'.length));
    return engine.records.commit(home, change);
  };
  return new Bench(through(engine, { records: { commit } }), { clock, maxRunsPerIdentity });
}

const asked = { agent: 'echo', input: 'hello', key: 'k', session: 's' } as const;

test('one that comes too late for its key finds the run as it is', async () => {
  const run = await bench.start(asked);
  await bench.claim(run);
  const again = await got(late().runs.start(alice, asked));
  expect(again).toMatchObject({ duplicate: true, run: { invocation: run, state: 'running' } });
  expect(await bench.line('s')).toEqual([run]);
  expect(await bench.events('session.s.runs')).toHaveLength(1);
});

test('one that comes too late for a run that is being settled does not bring it back', async () => {
  const run = await bench.start(asked);
  await bench.claim(run);
  const ended = await bench.end(run);
  // Whoever settles it has got as far as the session.
  const messages = [{ role: 'user', content: 'hello', at: 1 }];
  await got(bench.parts.line.leave('s', run, { thread: undefined, messages, state: 'completed' }));
  const again = await got(late().runs.start(alice, asked));
  expect(again).toMatchObject({ duplicate: true, run: { invocation: run, state: 'completed' } });
  expect(await bench.line('s')).toEqual([]);
  await bench.expectSettled(run);
  await got(bench.parts.settling.settle(ended));
  expect(await bench.messages('s')).toEqual([['user', 'hello']]);
});

test('one that comes too late, and for another session, leaves nothing there', async () => {
  const run = await bench.start(asked);
  await bench.work(run);
  const again = await got(late().runs.start(alice, { ...asked, session: 't' }));
  expect(again).toMatchObject({ duplicate: true, run: { invocation: run, session: 's' } });
  expect([await bench.line('s'), await bench.line('t')]).toEqual([[], []]);
  expect(await bench.open()).toEqual([]);
  expect(await bench.messages('t')).toEqual([]);
});

test.each([0, 1])(
  'one that took so long that it was dropped is listed and stands in line again, quota %i',
  async (most) => {
    const slowly = slow(async (run) => {
      clock.advance(70_000);
      await got(bench.parts.index.drop(run, () => Promise.resolve(true)));
      // Another took the place that its identity had.
      await bench.start();
    }, most);
    const invocation = await slowly.start(asked);
    expect(await bench.open()).toContain(invocation);
    expect(await bench.line('s')).toEqual([invocation]);
    expect(await bench.hasJob(invocation)).toBe(true);
    await bench.work(invocation);
    expect(await bench.messages('s')).toHaveLength(2);
    await bench.expectSettled(invocation);
  },
);

test('what was cancelled before it was written for the last time is not queued', async () => {
  const first = await slow(async (run) => {
    const later = await bench.runs.start(alice, { ...asked, key: 'l', whenBusy: 'interrupt' });
    expect([later.ok, await bench.line('s')]).toMatchObject([true, [run, expect.any(String)]]);
  }).start(asked);
  expect(await bench.state(first)).toBe('cancelled');
  expect(await bench.hasJob(first)).toBe(false);
  expect(await bench.line('s')).toHaveLength(1);
});
