import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import type { HeldJob, Verdict } from '../../../shared/engine/engine.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import { count, got, until } from '../../contracts/engine-bench.ts';

const month = 30 * 24 * 3_600_000;

describe('a queue of the memory engine', () => {
  function started() {
    const clock = new ManualClock();
    const warnings: string[] = [];
    const onWarning = (message: string): unknown => warnings.push(message);
    const engine = createMemoryEngine({ historySize: 10, historyTtlMs: 1000, metaTtlMs: 1000, clock, onWarning });
    const queue = engine.queue('work');
    const begun: HeldJob[] = [];
    const consume = (work: () => Promise<Verdict>, slots = 1) =>
      got(queue.consume({ slots, work: (job) => (begun.push(job), work()) }));
    const turns = async () => {
      for (const _ of count(3)) await new Promise((turn) => setImmediate(turn));
    };
    return { clock, engine, queue, begun, consume, turns, warnings };
  }

  it('never begins a job in the turn of the one who adds it', async () => {
    const { queue, begun, consume } = started();
    await consume(() => new Promise(() => undefined));
    await got(queue.add({ id: 'a', data: '' }));
    expect(begun).toEqual([]);
    await until(() => expect(begun).toHaveLength(1));
  });

  it('waits 100 ms after a fault, twice as long after each further one, at most 10 s, and says so once', async () => {
    const { clock, queue, begun, consume, turns, warnings } = started();
    await consume(() => Promise.reject(new Error('a fault of the test')));
    await got(queue.add({ id: 'a', data: '' }));
    await turns();
    for (const [i, ms] of [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000].entries()) {
      clock.advance(ms - 1);
      await turns();
      expect(begun).toHaveLength(i + 1);
      clock.advance(1);
      await turns();
      expect(begun).toHaveLength(i + 2);
    }
    expect(warnings).toEqual([expect.stringContaining('a fault of the test')]);
  });

  it('keeps a delay that is longer than a timer takes', async () => {
    const { clock, queue, begun, consume, turns } = started();
    await consume(() => Promise.resolve('done'));
    await got(queue.add({ id: 'a', data: '', delayMs: 2 * month }));
    clock.advance(2 * month - 1);
    await turns();
    expect(begun).toEqual([]);
    clock.advance(1);
    await turns();
    expect(begun).toHaveLength(1);
  });

  it('gives jobs to its consumers in turn', async () => {
    const { queue, turns } = started();
    const here: string[] = [];
    const there: string[] = [];
    for (const list of [here, there]) {
      await got(queue.consume({ slots: 3, work: (job) => (list.push(job.id), new Promise(() => undefined)) }));
    }
    for (const n of count(4)) await got(queue.add({ id: String(n), data: '' }));
    await turns();
    expect([here, there]).toEqual([
      ['1', '3'],
      ['2', '4'],
    ]);
  });

  it('parks 10,000 jobs of a consumer, and no more', async () => {
    const { queue, begun, consume } = started();
    await consume(() => new Promise(() => undefined));
    for (const n of count(10_002)) await got(queue.add({ id: String(n), data: '' }));
    for (const n of count(10_000)) {
      while (begun.length < n) await new Promise((turn) => setImmediate(turn));
      begun[n - 1]!.park();
    }
    await until(() => expect(begun).toHaveLength(10_001));
    begun[10_000]!.park();
    await new Promise((turn) => setImmediate(turn));
    expect(begun).toHaveLength(10_001);
  });

  it('loses what is held when the engine stops, and leaves no timer behind', async () => {
    const { clock, engine, queue, begun, consume, turns } = started();
    await engine.start();
    let fail: (error: Error) => void = () => undefined;
    await consume(() => new Promise((_, reject) => (fail = reject)));
    await got(queue.add({ id: 'held', data: '' }));
    await got(queue.add({ id: 'delayed', data: '', delayMs: 1000 }));
    await turns();
    await engine.stop();
    expect(begun[0]!.lost.aborted).toBe(true);
    fail(new Error('too late'));
    await turns();
    expect(clock.pending).toBe(0);
  });
});
