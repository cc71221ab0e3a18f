import { expect, onTestFinished, test } from 'vitest';
import type { Agent, AgentContext } from '../../../services/worker/agent.ts';
import { realClock } from '../../../shared/base/clock.ts';
import { Agents } from '../../../shared/domain/agents.ts';
import { nudge } from '../../../shared/domain/runs/run-signals.ts';
import { startWorker } from '../../support/worker.ts';
import { agent, comesTo, endOf, stateIs, World } from './runner-harness.ts';

async function newWorld(): Promise<World> {
  const world = new World();
  await world.engine.start();
  onTestFinished(() => world.engine.stop());
  return world;
}

async function enqueue(world: World, name: string): Promise<string> {
  const invocation = await world.start({ agent: name });
  await world.engine.queue('runs').add({ id: invocation, data: invocation });
  return invocation;
}

/** An agent that goes on until it is let go. */
class Gated {
  readonly agent: Agent;
  running = 0;
  letGo: () => void = () => {};

  constructor() {
    const gate = new Promise<void>((resolve) => (this.letGo = resolve));
    const begin = (): void => void (this.running += 1);
    this.agent = agent(async function* ({ signal }: AgentContext) {
      begin();
      yield 'here';
      const aborted = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      await Promise.race([gate, aborted]);
    }, 'gated');
  }
}

test('a worker tells the cluster what it has, and works on at most so many runs at once', async () => {
  const world = await newWorld();
  const gated = new Gated();
  const env = { AGENTWIRE_WORKER_CONCURRENCY: '2' };
  const { worker, page } = await startWorker(world.engine, { agents: [gated.agent], env });
  const runs = [await enqueue(world, 'gated'), await enqueue(world, 'gated'), await enqueue(world, 'gated')];
  await comesTo(() => gated.running === 2);
  const agents = new Agents(world.engine.leases, realClock);
  expect(await agents.known('gated')).toMatchObject({ value: true });
  expect(await agents.workers()).toMatchObject({ value: [{ worker: worker.id, slots: 2 }] });
  expect((await world.run(runs[2]!)).state).toBe('queued');
  expect(await page.render()).toMatch(/^agentwire_runs_running 2$/m);
  gated.letGo();
  for (const run of runs) await stateIs(world, run, 'completed');
});

test('a cancel reaches the worker by signal, in the middle of its work', async () => {
  const world = await newWorld();
  const gated = new Gated();
  const { worker } = await startWorker(world.engine, { agents: [gated.agent] });
  const run = await enqueue(world, 'gated');
  await comesTo(() => gated.running === 1);
  await world.wish(run, { do: 'cancel', reason: 'enough', at: 0 });
  nudge(world.engine.signals, worker.id, run);
  await stateIs(world, run, 'cancelled');
  expect(await endOf(world, run)).toEqual({ kind: 'cancelled', reason: 'enough' });
});

test('a drain takes no more runs, and lets those at work end', async () => {
  const world = await newWorld();
  const gated = new Gated();
  const { worker } = await startWorker(world.engine, { agents: [gated.agent] });
  const run = await enqueue(world, 'gated');
  await comesTo(() => gated.running === 1);
  expect(worker.status()).toBe('ready');
  const drained = worker.drain(60_000);
  expect(worker.status()).toBe('draining');
  const late = await enqueue(world, 'gated');
  gated.letGo();
  await drained;
  expect((await world.run(run)).state).toBe('completed');
  expect([(await world.run(late)).state, gated.running]).toEqual(['queued', 1]);
});

test('a drain does not wait for runs that only wait, and another worker has them', async () => {
  const world = await newWorld();
  const { worker } = await startWorker(world.engine);
  const run = await enqueue(world, 'approval');
  await stateIs(world, run, 'waiting_approval');
  await worker.drain(600_000);
  expect((await world.run(run)).state).toBe('queued');
  await startWorker(world.engine);
  await stateIs(world, run, 'waiting_approval');
});

test('what is at work at the deadline is handed back, and that is no takeover', async () => {
  const world = await newWorld();
  const gated = new Gated();
  const first = await startWorker(world.engine, { agents: [gated.agent] });
  const run = await enqueue(world, 'gated');
  await comesTo(() => gated.running === 1);
  await first.worker.drain(10);
  expect((await world.run(run)).state).toBe('queued');
  expect(await first.page.render()).toContain('agentwire_runs_ended_total{agent="gated",outcome="requeued"} 1\n');
  const second = await startWorker(world.engine, { agents: [gated.agent] });
  await comesTo(() => gated.running === 2);
  expect(await second.page.render()).toMatch(/^agentwire_run_takeovers_total 0$/m);
  gated.letGo();
  await stateIs(world, run, 'completed');
  expect(await world.run(run)).toMatchObject({ attempt: 2, takeovers: 0 });
});

test('a stop without a drain hands back at once', async () => {
  const world = await newWorld();
  const gated = new Gated();
  const { worker } = await startWorker(world.engine, { agents: [gated.agent] });
  const run = await enqueue(world, 'gated');
  await comesTo(() => gated.running === 1);
  await worker.stop();
  expect((await world.run(run)).state).toBe('queued');
  expect(await new Agents(world.engine.leases, realClock).workers()).toMatchObject({ value: [] });
});
