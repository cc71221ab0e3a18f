import fc from 'fast-check';
import { expect, test } from 'vitest';
import { maxRetries, maxTakeovers, step } from '../../../shared/domain/runs/machine.ts';
import type { Command } from '../../../shared/domain/runs/machine.ts';
import { isOver } from '../../../shared/domain/runs/run.ts';
import type { Decision, Run } from '../../../shared/domain/runs/run.ts';
import { runEnds } from '../../../shared/protocol/run-events.ts';
import type { RunEvent } from '../../../shared/protocol/run-events.ts';

const begun: Run = {
  invocation: 'i',
  agent: 'a',
  owner: 'o',
  state: 'queued',
  attempt: 0,
  fence: 0,
  takeovers: 0,
  retries: 0,
  priority: 0,
  timeoutMs: 1000,
  createdAt: 1,
  pending: [],
  decisions: {},
  metadata: {},
};

const worker = fc.constantFrom('v', 'w');
const call = fc.constantFrom('c-1', 'c-2', '__proto__');
const error = fc.record({ code: fc.constant('x'), message: fc.string() });
const at = fc.nat(1000);
const end = fc.oneof(
  fc.record({ kind: fc.constant('completed' as const), result: fc.jsonValue() }),
  fc.record({ kind: fc.constant('failed' as const), error }),
  fc.record({ kind: fc.constant('cancelled' as const), reason: fc.string() }),
);
const decision: fc.Arbitrary<Decision> = fc.record(
  { decision: fc.constantFrom('approve' as const, 'reject' as const), note: fc.string(), input: fc.jsonValue() },
  { requiredKeys: ['decision'] },
);

/** Ends are rare among them, or there would be few long lives. */
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), reason: fc.string(), at }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('decide' as const), call, decision }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('claim' as const), worker, at }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('hold still' as const, 'go on' as const), worker }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      worker,
      call: fc.record({ call, name: fc.constant('delete'), args: fc.jsonValue() }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take decision' as const), worker, call }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('report' as const),
      worker,
      progress: fc.record({ percent: fc.nat(100) }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('hand back' as const), worker }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('try again' as const), worker, error, at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), worker, end, at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('give up' as const), error, at }) },
);

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const key of Reflect.ownKeys(value)) frozen((value as Record<PropertyKey, unknown>)[key]);
  }
  return value;
}

/** One run and everything that was said of it. */
class Life {
  run = frozen(begun);
  readonly events: RunEvent[] = [{ kind: 'queued' }];
  #ends = 0;
  /** As whoever reads the events knows it. */
  #paused = false;

  do(wanted: Command): void {
    const before = this.run;
    const result = step(before, wanted);
    if (!result.ok) {
      expect(['conflict', 'not_found']).toContain(result.code);
      return;
    }
    expect(isOver(before)).toBe(false);
    const { run, events } = result.value;
    if (wanted.do !== 'claim' && 'worker' in wanted) expect(before.worker).toBe(wanted.worker);
    if (run === before) expect(events).toEqual([]);
    this.run = frozen(run);
    for (const event of events) {
      this.events.push(event);
      if (runEnds.has(event.kind)) this.#ends += 1;
      if (event.kind === 'paused' || event.kind === 'resumed') this.#paused = event.kind === 'paused';
    }
    this.#compare(before, run, events);
    this.#check();
  }

  #compare(before: Run, run: Run, events: readonly RunEvent[]): void {
    expect(run.attempt - before.attempt).toBe(events.filter(({ kind }) => kind === 'started').length);
    expect(run.fence).toBeGreaterThanOrEqual(before.fence);
    // Whoever held it before is silenced by the fence; one that ends it is by the seal.
    if (run.worker !== before.worker && !isOver(run)) expect(run.fence).toBeGreaterThan(before.fence);
    expect(run.takeovers).toBeGreaterThanOrEqual(before.takeovers);
    for (const [id, made] of Object.entries(before.decisions)) {
      expect(Object.hasOwn(run.decisions, id)).toBe(true);
      expect(run.decisions[id]).toBe(made);
    }
    if (before.cancel) expect(run.cancel).toBe(before.cancel);
  }

  #check(): void {
    const { run, events } = this;
    expect(this.#ends).toBe(isOver(run) ? 1 : 0);
    if (isOver(run)) {
      expect(events.at(-1)?.kind).toBe(run.state);
      if (run.cancel) expect(events.at(-1)).toEqual({ kind: 'cancelled', reason: run.cancel.reason });
      expect([run.worker, run.pauseRequested, run.pending]).toEqual([undefined, undefined, []]);
      return;
    }
    expect(run.takeovers).toBeLessThanOrEqual(maxTakeovers);
    expect(run.retries).toBeLessThanOrEqual(maxRetries);
    expect(run.state === 'paused').toBe(this.#paused);
    for (const one of run.pending) expect(Object.hasOwn(run.decisions, one.call)).toBe(false);
    if (run.worker !== undefined) {
      expect(['running', 'paused', 'waiting_approval']).toContain(run.state);
      const waits = run.pending.some(({ attempt }) => attempt === run.attempt);
      if (run.state === 'running') expect(waits).toBe(false);
      return;
    }
    // Nobody holds it: either it has a job, or somebody has to ask for it. A cancel is for the next worker to carry out.
    expect(run.state).toBe(run.pauseRequested ? 'paused' : 'queued');
    if (run.cancel) expect(run.state).toBe('queued');
  }
}

function lived(commands: readonly Command[]): Life {
  const life = new Life();
  for (const wanted of commands) life.do(wanted);
  return life;
}

test('whatever happens to a run in whatever order, it keeps what it promised', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80, size: 'max' }), (commands) => {
      lived(commands);
    }),
    { numRuns: 2500 },
  );
});

test('a cancel that was accepted is the end of it, from wherever it is', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40, size: 'max' }), end, (commands, wish) => {
      const life = lived(commands);
      const over = isOver(life.run);
      const first = life.run.cancel?.reason ?? 'enough';
      life.do({ do: 'cancel', reason: 'enough', at: 1 });
      // Its worker makes something else of it; or it dies, and the next one finds the job.
      const { worker: holder } = life.run;
      if (holder !== undefined && wish.kind !== 'cancelled') life.do({ do: 'end', worker: holder, end: wish, at: 2 });
      life.do({ do: 'claim', worker: 'next', at: 3 });
      expect(isOver(life.run)).toBe(true);
      if (!over) expect(life.events.at(-1)).toEqual({ kind: 'cancelled', reason: first });
    }),
    { numRuns: 1000 },
  );
});

test('a run that nobody cancels can always be worked on to its end', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40, size: 'max' }), (commands) => {
      const life = lived(commands.filter((one) => one.do !== 'cancel'));
      if (isOver(life.run)) return;
      const last = life.run.takeovers === maxTakeovers && life.run.worker !== undefined;
      life.do({ do: 'resume' });
      life.do({ do: 'claim', worker: 'next', at: 1 });
      life.do({ do: 'end', worker: 'next', end: { kind: 'completed', result: 1 }, at: 2 });
      expect(life.run.state).toBe(last ? 'failed' : 'completed');
      if (last) expect(life.run.error?.code).toBe('worker_lost');
    }),
    { numRuns: 1000 },
  );
});

test('a decision is given to every attempt that asks for the same call', () => {
  const life = lived([
    { do: 'claim', worker: 'v', at: 1 },
    { do: 'ask', worker: 'v', call: { call: 'c-1', name: 'delete', args: 1 } },
    { do: 'decide', call: 'c-1', decision: { decision: 'approve', note: 'go' } },
    { do: 'claim', worker: 'w', at: 2 },
    { do: 'ask', worker: 'w', call: { call: 'c-1', name: 'delete', args: 1 } },
    { do: 'take decision', worker: 'w', call: 'c-1' },
  ]);
  expect(life.run).toMatchObject({ state: 'running', worker: 'w', takeovers: 1, pending: [] });
  expect(life.events.slice(1)).toEqual([
    { kind: 'started', attempt: 1 },
    { kind: 'approval_required', call: 'c-1', name: 'delete', args: 1 },
    { kind: 'started', attempt: 2 },
    { kind: 'approved', call: 'c-1', note: 'go' },
  ]);
});

test('what is asked for while the run holds still is waited for when it goes on', () => {
  const life = lived([
    { do: 'claim', worker: 'v', at: 1 },
    { do: 'pause' },
    { do: 'hold still', worker: 'v' },
    { do: 'ask', worker: 'v', call: { call: 'c-1', name: 'delete', args: 1 } },
  ]);
  expect(life.run.state).toBe('paused');
  life.do({ do: 'resume' });
  life.do({ do: 'go on', worker: 'v' });
  expect(life.run.state).toBe('waiting_approval');
});
