import { beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { fail } from '../../../shared/base/errors.ts';
import { Agents } from '../../../shared/domain/agents.ts';
import type { WorkerFigures } from '../../../shared/domain/agents.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Engine, Leases } from '../../../shared/engine/engine.ts';
import { codeOf, got } from './runs-bench.ts';

let clock: ManualClock;
let engine: Engine;
let leases: Leases;
let lists: string[];
let away: boolean;

beforeEach(() => {
  clock = new ManualClock();
  engine = createMemoryEngine({ historySize: 10, historyTtlMs: 600_000, metaTtlMs: 600_000, clock });
  lists = [];
  away = false;
  leases = {
    hold: (...args) => (away ? Promise.resolve(fail('unavailable')) : engine.leases.hold(...args)),
    drop: (...args) => engine.leases.drop(...args),
    reap: (...args) => engine.leases.reap(...args),
    forget: (...args) => engine.leases.forget(...args),
    list: (group) => (lists.push(group), away ? Promise.resolve(fail('unavailable')) : engine.leases.list(group)),
  };
});

const figures = (worker: string, ...names: string[]): WorkerFigures => ({
  worker,
  startedAt: 1,
  agents: names.map((name) => ({ name, description: `does ${name}` })),
  slots: 5,
  running: 1,
  parked: 0,
});

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    clock.advance(Math.min(left, 1000));
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }
}

test('a worker is there while it says so, and its agents are known for a while longer', async () => {
  const [worker, gateway] = [new Agents(leases, clock), new Agents(leases, clock)];
  let running = 0;
  await worker.announce(() => ({ ...figures('w', 'echo', 'claude'), running: running++ }));
  expect(await got(gateway.workers())).toEqual([{ ...figures('w', 'echo', 'claude'), running: 0 }]);
  expect(await got(gateway.agents())).toEqual(figures('w', 'echo', 'claude').agents);
  await pass(30_000);
  expect((await got(gateway.workers()))[0]).toMatchObject({ worker: 'w', running: 15 });
  expect(await got(gateway.known('echo'))).toBe(true);
  await worker.stop();
  expect(await got(gateway.workers())).toEqual([]);
  expect(clock.pending).toBe(0);
  await pass(59_000);
  expect(await got(gateway.known('echo'))).toBe(true);
  await pass(2000);
  expect(await got(gateway.known('echo'))).toBe(false);
});

test('a worker that died is gone after two announcements that did not come', async () => {
  const [worker, gateway] = [new Agents(leases, clock), new Agents(leases, clock)];
  await worker.announce(() => figures('w', 'echo'));
  away = true;
  await pass(5000);
  away = false;
  expect(await got(gateway.workers())).toHaveLength(1);
  away = true;
  await pass(1500);
  away = false;
  expect(await got(gateway.workers())).toEqual([]);
  // The store is back, and so is the worker.
  await pass(2000);
  expect(await got(gateway.workers())).toHaveLength(1);
});

test('the store is asked once a second for those that are known, and before each no', async () => {
  const [worker, gateway] = [new Agents(leases, clock), new Agents(leases, clock)];
  await worker.announce(() => figures('w', 'echo'));
  for (let i = 0; i < 10; i++) expect(await got(gateway.known('echo'))).toBe(true);
  expect(lists).toHaveLength(1);
  clock.advance(1001);
  expect(await got(gateway.known('echo'))).toBe(true);
  expect(lists).toHaveLength(2);
  expect(await got(gateway.known('new'))).toBe(false);
  const other = new Agents(leases, clock);
  await other.announce(() => figures('v', 'new'));
  expect(await got(gateway.known('new'))).toBe(true);
  expect(lists).toHaveLength(4);
});

test('a crowd that asks for what is not known makes two questions of it, the second of them new', async () => {
  const gateway = new Agents(leases, clock);
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => gateway.known(`a-${i}`)));
  expect(answers.every((answer) => answer.ok && !answer.value)).toBe(true);
  expect(lists).toHaveLength(2);
});

test('while the store is away, nobody knows', async () => {
  const [worker, gateway] = [new Agents(leases, clock), new Agents(leases, clock)];
  await worker.announce(() => figures('w', 'echo'));
  expect(await got(gateway.known('echo'))).toBe(true);
  away = true;
  expect(await got(gateway.known('echo'))).toBe(true);
  expect(await codeOf(gateway.known('other'))).toBe('unavailable');
  clock.advance(1001);
  expect(await codeOf(gateway.known('echo'))).toBe('unavailable');
  expect(await codeOf(gateway.agents())).toBe('unavailable');
  expect(await codeOf(gateway.workers())).toBe('unavailable');
});

test('two workers that start at once after all were away take nothing from each other', async () => {
  const [first, second, gateway] = [new Agents(leases, clock), new Agents(leases, clock), new Agents(leases, clock)];
  await got(
    leases.hold(
      'agents',
      [
        { member: 'echo', value: 'does echo' },
        { member: 'old', value: '' },
      ],
      1000,
    ),
  );
  clock.advance(1000);
  const forget: Leases['forget'] = (...args) => engine.leases.forget(...args);
  // The first one was given what ended, and the second one holds it before the first goes on.
  leases.forget = async (...args) => {
    if (args[0] !== 'agents') return forget(...args);
    leases.forget = forget;
    await second.announce(() => figures('v', 'echo'));
    return forget(...args);
  };
  await first.announce(() => figures('w', 'claude'));
  expect((await got(gateway.agents())).map(({ name }) => name).toSorted()).toEqual(['claude', 'echo']);
  expect(await got(leases.reap('agents'))).toEqual({ gone: [], rest: false });
});

test('a worker that stops while it announces itself does not announce itself again', async () => {
  const worker = new Agents(leases, clock);
  const announced = worker.announce(() => figures('w', 'echo'));
  await worker.stop();
  await announced;
  expect(clock.pending).toBe(0);
});
