import { expect, onTestFinished, test } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import { ManualClock } from '../../../shared/base/clock.ts';
import type { Consumer } from '../../../shared/engine/engine.ts';
import type { AgentContext } from '../../../services/worker/agent.ts';
import type { Runner } from '../../../services/worker/runner.ts';
import { agent, comesTo, endOf, quiet, stateIs, World } from './runner-harness.ts';

const asking = agent(async function* ({ approval }: AgentContext) {
  yield 'asked';
  return (await approval({ name: 'n', args: null })).approved;
}, 'asking');

async function consume(world: World, runner: Runner, slots = 1): Promise<Consumer> {
  const consumer = await world.engine.queue('runs').consume({ slots, work: runner.work });
  if (!consumer.ok) throw new Error(consumer.message);
  onTestFinished(() => world.engine.stop());
  return consumer.value;
}

async function enqueue(world: World, name: string): Promise<string> {
  const invocation = await world.start({ agent: name });
  await world.engine.queue('runs').add({ id: invocation, data: invocation });
  return invocation;
}

async function decide(world: World, invocation: string, runner: Runner): Promise<void> {
  const { call } = must((await world.run(invocation)).pending[0]);
  await world.wish(invocation, { do: 'decide', call, decision: { decision: 'approve' } }, runner);
}

test('runs that wait for somebody leave the only slot to others', async () => {
  const world = new World();
  const runner = world.runner([asking, quiet(() => 'done', 'quick')]);
  await consume(world, runner);
  const waiting = [await enqueue(world, 'asking'), await enqueue(world, 'asking')];
  for (const invocation of waiting) await stateIs(world, invocation, 'waiting_approval');
  const quick = await enqueue(world, 'quick');
  await stateIs(world, quick, 'completed');
  expect(runner.parked).toBe(2);
  for (const invocation of waiting) {
    await decide(world, invocation, runner);
    await stateIs(world, invocation, 'completed');
  }
  await comesTo(() => runner.running === 0);
  expect(runner.parked).toBe(0);
});

test('a run that is to begin again comes back by itself, after its time', async () => {
  const clock = new ManualClock();
  const world = new World({ clock });
  const runner = world.runner([
    quiet(({ attempt }) => {
      if (attempt < 3) throw Object.assign(new Error('not yet'), { retryable: true });
      return attempt;
    }),
  ]);
  await consume(world, runner);
  const invocation = await enqueue(world, 'test');
  for (const [attempt, delayMs] of [
    [1, 200],
    [2, 400],
  ] as const) {
    // All that is left of the attempt is the timer of its job.
    await comesTo(() => runner.running === 0 && clock.pending === 1);
    clock.advance(delayMs - 1);
    expect(await world.run(invocation)).toMatchObject({ state: 'queued', attempt });
    clock.advance(1);
    await comesTo(async () => (await world.run(invocation)).attempt === attempt + 1);
  }
  await stateIs(world, invocation, 'completed');
  expect(await endOf(world, invocation)).toEqual({ kind: 'completed', result: 3 });
});

test('a worker that stops gives its runs to the next, at once and without a takeover', async () => {
  const world = new World();
  const first = world.runner([asking]);
  const consumer = await consume(world, first);
  const invocation = await enqueue(world, 'asking');
  await stateIs(world, invocation, 'waiting_approval');
  const stopped = consumer.stop(10_000);
  await first.handBack();
  await stopped;
  const second = world.runner([asking], { worker: 'worker-2' });
  await consume(world, second);
  await comesTo(async () => (await world.run(invocation)).worker === 'worker-2');
  await stateIs(world, invocation, 'waiting_approval');
  await decide(world, invocation, second);
  await stateIs(world, invocation, 'completed');
  expect(await world.run(invocation)).toMatchObject({ attempt: 2, takeovers: 0 });
});

test('a hundred runs at once end once each, and none hears of another', async () => {
  const world = new World();
  const runner = world.runner([
    agent(async function* ({ input }: AgentContext) {
      for (let i = 0; i < 20; i++) {
        if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
        yield `${String(input)} `;
      }
    }),
  ]);
  await consume(world, runner, 10);
  const invocations = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const invocation = await world.start({}, i);
      await world.engine.queue('runs').add({ id: invocation, data: invocation });
      return invocation;
    }),
  );
  for (const [i, invocation] of invocations.entries()) {
    await stateIs(world, invocation, 'completed');
    expect(await endOf(world, invocation)).toEqual({ kind: 'completed', result: `${i} `.repeat(20) });
  }
  expect(world.settled).toHaveLength(100);
});
