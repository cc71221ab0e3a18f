import { describe, expect, test } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import { ManualClock } from '../../../shared/base/clock.ts';
import type { AgentContext } from '../../../services/worker/agent.ts';
import { agent, comesTo, endOf, lastAttempt, quiet, stateIs, TestJob, World } from './runner-harness.ts';

const kinds = (events: readonly { kind: string }[]): string[] => events.map(({ kind }) => kind);

/** Yields a number each time that it is let, and asks nothing of its context. */
function stepper(): { run: (context: AgentContext) => unknown; step: () => void; asked: () => number } {
  let asked = 0;
  let go = (): void => {};
  return {
    async *run() {
      for (;;) {
        asked += 1;
        await new Promise<void>((resolve) => (go = resolve));
        yield `${asked} `;
        if (asked === 3) return;
      }
    },
    step: () => go(),
    asked: () => asked,
  };
}

describe('a pause', () => {
  test('is on the record when the agent has come to its next value, and takes no slot until it ends', async () => {
    const world = new World();
    const steps = stepper();
    const runner = world.runner([agent(steps.run)]);
    const invocation = await world.start();
    const job = new TestJob(invocation);
    const work = runner.work(job);
    await comesTo(() => steps.asked() === 1);
    await world.wish(invocation, { do: 'pause' }, runner);
    expect(await world.run(invocation)).toMatchObject({ state: 'running' });
    steps.step();
    await stateIs(world, invocation, 'paused');
    await comesTo(() => job.parked === 1);
    expect(steps.asked()).toBe(1);
    expect(runner.parked).toBe(1);

    await world.wish(invocation, { do: 'resume' }, runner);
    await comesTo(() => steps.asked() === 2);
    expect(job.parked).toBe(0);
    expect(await world.run(invocation)).toMatchObject({ state: 'running' });
    steps.step();
    await comesTo(() => steps.asked() === 3);
    steps.step();
    expect(await work).toBe('done');
    expect(await world.text(invocation)).toBe('1 2 3 ');
    expect(kinds(lastAttempt(await world.events(invocation)))).toEqual([
      'chunk',
      'paused',
      'resumed',
      'chunk',
      'chunk',
      'completed',
    ]);
  });

  test('that nobody wants any more when it would begin does not begin', async () => {
    const world = new World();
    const steps = stepper();
    const runner = world.runner([agent(steps.run)]);
    const invocation = await world.start();
    const work = runner.work(new TestJob(invocation));
    await comesTo(() => steps.asked() === 1);
    await world.wish(invocation, { do: 'pause' }, runner);
    await world.wish(invocation, { do: 'resume' }, runner);
    for (const asked of [2, 3]) {
      steps.step();
      await comesTo(() => steps.asked() === asked);
    }
    steps.step();
    await work;
    expect(kinds(lastAttempt(await world.events(invocation)))).toEqual(['chunk', 'chunk', 'chunk', 'completed']);
  });

  test('can be cancelled', async () => {
    const world = new World();
    const runner = world.runner([
      quiet(async ({ pausePoint }) => {
        for (;;) {
          await new Promise((resolve) => setImmediate(resolve));
          await pausePoint();
        }
      }),
    ]);
    const invocation = await world.start();
    const job = new TestJob(invocation);
    const work = runner.work(job);
    await stateIs(world, invocation, 'running');
    await world.wish(invocation, { do: 'pause' }, runner);
    await stateIs(world, invocation, 'paused');
    await world.wish(invocation, { do: 'cancel', reason: 'no', at: 1 }, runner);
    expect(await work).toBe('done');
    expect(await endOf(world, invocation)).toEqual({ kind: 'cancelled', reason: 'no' });
    expect(job.parked).toBe(0);
  });

  test('does not count as time that the run takes', async () => {
    const clock = new ManualClock();
    const world = new World({ clock });
    const steps = stepper();
    const runner = world.runner([agent(steps.run)]);
    const invocation = await world.start({ timeoutMs: 1000 });
    const job = new TestJob(invocation);
    const work = runner.work(job);
    await comesTo(() => steps.asked() === 1);
    clock.advance(600);
    await world.wish(invocation, { do: 'pause' }, runner);
    await new Promise((resolve) => setImmediate(resolve));
    steps.step();
    await comesTo(() => job.parked === 1);
    clock.advance(3_600_000);
    await world.wish(invocation, { do: 'resume' }, runner);
    await comesTo(() => steps.asked() === 2);
    expect(await world.run(invocation)).toMatchObject({ state: 'running' });
    clock.advance(400);
    steps.step();
    expect(await work).toBe('done');
    expect(await endOf(world, invocation)).toMatchObject({ error: { code: 'timeout' } });
  });

  test('is kept by a worker that stops, and goes on with the next', async () => {
    const world = new World();
    const steps = stepper();
    const runner = world.runner([agent(steps.run)]);
    const invocation = await world.start();
    const work = runner.work(new TestJob(invocation));
    await comesTo(() => steps.asked() === 1);
    await world.wish(invocation, { do: 'pause' }, runner);
    steps.step();
    await stateIs(world, invocation, 'paused');
    await runner.handBack();
    // It needs no job while it is paused.
    expect(await work).toBe('done');
    const handed = await world.run(invocation);
    expect(handed).toMatchObject({ state: 'paused', pauseRequested: true });
    expect(handed).not.toHaveProperty('worker');
    await world.wish(invocation, { do: 'resume' });
    const next = world.runner([quiet(async () => {})], { worker: 'worker-2' });
    expect(await world.workOff(next, invocation)).toMatchObject({ state: 'completed', attempt: 2, takeovers: 0 });
  });
});

test('what an agent waits for without awaiting it holds no slot when the run has ended', async () => {
  const world = new World();
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  const runner = world.runner([
    quiet(async ({ approval, pausePoint }) => {
      await gate;
      void pausePoint();
      void approval({ name: 'n', args: null });
      // Until both are under way.
      for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve));
      return 'all the same';
    }),
  ]);
  const invocation = await world.start();
  const job = new TestJob(invocation);
  const work = runner.work(job);
  await stateIs(world, invocation, 'running');
  await world.wish(invocation, { do: 'pause' }, runner);
  await new Promise((resolve) => setImmediate(resolve));
  go();
  expect(await work).toBe('done');
  expect(await endOf(world, invocation)).toEqual({ kind: 'completed', result: 'all the same' });
  expect(job.parked).toBe(0);
  expect(runner.parked).toBe(0);
});

describe('an approval', () => {
  const asking = agent(async function* ({ approval }: AgentContext) {
    yield 'before ';
    const answer = await approval({ name: 'pay', args: { amount: 5 } });
    yield 'after';
    return answer;
  });
  const pendingCall = async (world: World, invocation: string): Promise<string> => {
    await stateIs(world, invocation, 'waiting_approval');
    return must((await world.run(invocation)).pending[0]).call;
  };

  test('waits without a slot and without time, and gives the decision to the agent', async () => {
    const clock = new ManualClock();
    const world = new World({ clock });
    const runner = world.runner([asking]);
    const invocation = await world.start({ timeoutMs: 1000 });
    const job = new TestJob(invocation);
    const work = runner.work(job);
    const call = await pendingCall(world, invocation);
    await comesTo(() => job.parked === 1);
    clock.advance(3_600_000);
    const decision = { decision: 'approve', note: 'well', input: { amount: 4 } } as const;
    await world.wish(invocation, { do: 'decide', call, decision }, runner);
    expect(await work).toBe('done');
    expect(job.parked).toBe(0);
    expect(lastAttempt(await world.events(invocation))).toEqual([
      { kind: 'chunk', text: 'before ' },
      { kind: 'approval_required', call, name: 'pay', args: { amount: 5 } },
      { kind: 'approved', call, note: 'well' },
      { kind: 'chunk', text: 'after' },
      { kind: 'completed', result: { approved: true, note: 'well', args: { amount: 4 } } },
    ]);
  });

  test('that was rejected leaves the arguments as they were', async () => {
    const world = new World();
    const runner = world.runner([asking]);
    const invocation = await world.start();
    const work = runner.work(new TestJob(invocation));
    const call = await pendingCall(world, invocation);
    await world.wish(invocation, { do: 'decide', call, decision: { decision: 'reject' } }, runner);
    await work;
    expect(await endOf(world, invocation)).toEqual({
      kind: 'completed',
      result: { approved: false, args: { amount: 5 } },
    });
  });

  test('decided for one attempt is given to the next, which asks for the very same call', async () => {
    const world = new World();
    const first = world.runner([asking]);
    const invocation = await world.start();
    const job = new TestJob(invocation);
    const work = first.work(job);
    const call = await pendingCall(world, invocation);
    job.lose();
    await work;
    // While nobody holds it in truth.
    await world.wish(invocation, { do: 'decide', call, decision: { decision: 'approve' } });
    const second = world.runner([asking], { worker: 'worker-2' });
    await second.work(new TestJob(invocation));
    expect(kinds(lastAttempt(await world.events(invocation)))).toEqual(['chunk', 'approved', 'chunk', 'completed']);
    expect(await endOf(world, invocation)).toMatchObject({ result: { approved: true } });
  });

  test('of another call is asked for anew', async () => {
    const world = new World();
    let amount = 5;
    const asks = quiet(async ({ approval }) => {
      return await approval({ name: 'pay', args: { amount: amount++ } });
    });
    const invocation = await world.start();
    const job = new TestJob(invocation);
    const work = world.runner([asks]).work(job);
    const call = await pendingCall(world, invocation);
    job.lose();
    await work;
    await world.wish(invocation, { do: 'decide', call, decision: { decision: 'approve' } });
    const second = world.runner([asks], { worker: 'worker-2' });
    const again = second.work(new TestJob(invocation));
    await comesTo(async () => (await world.run(invocation)).pending[0]?.call !== undefined);
    const other = await pendingCall(world, invocation);
    expect(other).not.toBe(call);
    await world.wish(invocation, { do: 'decide', call: other, decision: { decision: 'reject' } }, second);
    await again;
    expect(await endOf(world, invocation)).toMatchObject({ result: { approved: false, args: { amount: 6 } } });
  });

  test('of several calls at once, each gets its own', async () => {
    const world = new World();
    const runner = world.runner([
      quiet(async ({ approval }) => {
        const both = await Promise.all([approval({ name: 'a', args: 1 }), approval({ name: 'a', args: 1 })]);
        return both.map(({ approved }) => approved);
      }),
    ]);
    const invocation = await world.start();
    const job = new TestJob(invocation);
    const work = runner.work(job);
    await comesTo(async () => (await world.run(invocation)).pending.length === 2);
    const [one, two] = (await world.run(invocation)).pending;
    await world.wish(invocation, { do: 'decide', call: must(two).call, decision: { decision: 'reject' } }, runner);
    await comesTo(async () => kinds(await world.events(invocation)).includes('rejected'));
    expect(await world.run(invocation)).toMatchObject({ state: 'waiting_approval' });
    await world.wish(invocation, { do: 'decide', call: must(one).call, decision: { decision: 'approve' } }, runner);
    await work;
    expect(await endOf(world, invocation)).toEqual({ kind: 'completed', result: [true, false] });
    expect(job.parked).toBe(0);
  });

  test('can be cancelled, and the agent hears of it', async () => {
    const world = new World();
    let heard: unknown;
    const runner = world.runner([
      quiet(async ({ approval }) => {
        heard = await approval({ name: 'pay', args: null }).catch((error: unknown) => error);
      }),
    ]);
    const invocation = await world.start();
    const work = runner.work(new TestJob(invocation));
    await pendingCall(world, invocation);
    await world.wish(invocation, { do: 'cancel', reason: 'no', at: 1 }, runner);
    expect(await work).toBe('done');
    expect(heard).toMatchObject({ name: 'AbortError', message: 'no' });
    expect(await world.run(invocation)).toMatchObject({ state: 'cancelled', pending: [] });
  });

  test('asked for while somebody wants a pause holds still once it is decided', async () => {
    const world = new World();
    const runner = world.runner([asking]);
    const invocation = await world.start();
    const work = runner.work(new TestJob(invocation));
    const call = await pendingCall(world, invocation);
    await world.wish(invocation, { do: 'pause' }, runner);
    await world.wish(invocation, { do: 'decide', call, decision: { decision: 'approve' } }, runner);
    await stateIs(world, invocation, 'paused');
    await world.wish(invocation, { do: 'resume' }, runner);
    await work;
    expect(kinds(lastAttempt(await world.events(invocation)))).toEqual([
      'chunk',
      'approval_required',
      'approved',
      'paused',
      'resumed',
      'chunk',
      'completed',
    ]);
  });
});
