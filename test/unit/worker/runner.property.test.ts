import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { step } from '../../../shared/domain/runs/machine.ts';
import type { Command } from '../../../shared/domain/runs/machine.ts';
import { nudge } from '../../../shared/domain/runs/run-signals.ts';
import { isOver } from '../../../shared/domain/runs/run.ts';
import type { RunEvent } from '../../../shared/protocol/run-events.ts';
import type { AgentContext } from '../../../services/worker/agent.ts';
import type { Runner } from '../../../services/worker/runner.ts';
import { DisturbedStore } from '../../support/disturbed-store.ts';
import type { Mood } from '../../support/disturbed-store.ts';
import { agent, expectOneEnd, TestJob, World } from './runner-harness.ts';

type Step =
  | { do: 'work' | 'agent' | 'lose' | 'stall' | 'hear' | 'stop' | 'arrive' | 'retry' }
  | { do: 'mood'; mood: Mood }
  | { do: 'time'; ms: number }
  | { do: 'cancel' | 'pause' | 'resume' | 'approve' | 'reject'; nudged: boolean };

const chunks = 8;

/** One run, the job of it, and workers that come and go, on a store that is not always there. */
class Play {
  readonly clock = new ManualClock();
  readonly store = new DisturbedStore();
  readonly world = new World({ clock: this.clock, around: (engine) => this.store.around(engine) });
  invocation = '';
  cancelled = false;
  #runner: Runner;
  #workers = 0;
  #worker = '';
  #job: TestJob | undefined;
  /** Jobs whose worker has not heard that it lost them. */
  #stalled: TestJob[] = [];
  #queued = true;
  #waiting: (() => void)[] = [];
  #free = false;

  constructor() {
    this.#runner = this.#newRunner();
  }

  async begin(): Promise<void> {
    this.invocation = await this.world.start();
  }

  async take(next: Step): Promise<void> {
    switch (next.do) {
      case 'work':
        this.#work();
        break;
      case 'agent':
        this.#waiting.shift()?.();
        break;
      case 'lose':
        this.#job?.lose();
        this.#job = undefined;
        break;
      case 'stall':
        if (this.#job) this.#stalled.push(this.#job);
        this.#job = undefined;
        break;
      case 'hear':
        for (const job of this.#stalled.splice(0)) job.lose();
        break;
      case 'stop':
        void this.#runner.handBack();
        this.#runner = this.#newRunner();
        break;
      case 'mood':
        this.store.mood = next.mood;
        break;
      case 'arrive':
        await this.store.arrive();
        break;
      case 'retry':
        this.clock.advance(1000);
        break;
      case 'time':
        this.clock.advance(next.ms);
        break;
      default:
        await this.#wish(next.do, next.nudged);
    }
    // Whatever this set going comes to rest, or to the next thing that it waits for.
    for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** The store is back, every wish is granted, and what the sweeper repairs is repaired: the run must end. */
  async toTheEnd(): Promise<void> {
    this.#free = true;
    for (let rounds = 0; rounds < 200; rounds++) {
      for (const waiting of this.#waiting.splice(0)) waiting();
      await this.take({ do: 'mood', mood: 'fine' });
      await this.take({ do: 'hear' });
      await this.take({ do: 'retry' });
      const run = await this.world.run(this.invocation);
      if (isOver(run) && !this.#job) break;
      if (run.pauseRequested) await this.take({ do: 'resume', nudged: true });
      if (run.pending.length > 0) await this.take({ do: 'approve', nudged: true });
      if (!this.#queued) this.#queued = true;
      this.#runner.nudge(this.invocation);
      await this.take({ do: 'work' });
    }
    await this.take({ do: 'arrive' });
    await this.take({ do: 'retry' });
  }

  #newRunner(): Runner {
    this.#worker = `worker-${++this.#workers}`;
    return this.world.runner([agent((context) => this.#act(context))], { worker: this.#worker });
  }

  #work(): void {
    if (this.#job || !this.#queued) return;
    const job = new TestJob(this.invocation);
    this.#job = job;
    void this.#runner.work(job).then((verdict) => {
      if (this.#job !== job) return;
      expect(job.parked).toBe(0);
      this.#job = undefined;
      this.#queued = verdict !== 'done';
    });
  }

  async #wish(what: 'cancel' | 'pause' | 'resume' | 'approve' | 'reject', nudged: boolean): Promise<void> {
    const run = await this.world.run(this.invocation);
    const call = run.pending[0]?.call ?? '';
    const command: Command =
      what === 'cancel'
        ? { do: 'cancel', reason: 'told so', at: this.clock.now() }
        : what === 'pause' || what === 'resume'
          ? { do: what }
          : { do: 'decide', call, decision: { decision: what } };
    const done = await this.world.store.change(this.invocation, (now) => step(now, command));
    if (!done.ok) return;
    if (what === 'cancel') this.cancelled = true;
    if (what === 'resume' && done.value.run.worker === undefined) this.#queued = true;
    if (nudged && done.value.run.worker === this.#worker) {
      nudge(this.world.engine.signals, this.#worker, this.invocation);
      this.#runner.nudge(this.invocation);
    }
  }

  /** Chunks that tell where they come from; two of them only after somebody has decided. */
  async *#act({ attempt, approval, pausePoint, progress }: AgentContext): AsyncGenerator<string, unknown, void> {
    const decisions: boolean[] = [];
    for (let i = 0; i < chunks; i++) {
      if (!this.#free && i % 3 !== 2) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (i === 2 || i === 5) decisions.push((await approval({ name: 'next', args: { i } })).approved);
      if (i === 4) await pausePoint();
      progress({ percent: i });
      yield `${attempt}.${i}`;
    }
    return decisions;
  }
}

function expectTrue(events: readonly RunEvent[], cancelled: boolean): void {
  expectOneEnd(events);
  let attempt = 0;
  let next = 0;
  let paused = false;
  const decided = new Map<string, string>();
  for (const event of events) {
    switch (event.kind) {
      case 'started':
        // Each begins anew, and none is begun twice.
        expect(event.attempt).toBe(attempt + 1);
        attempt += 1;
        next = 0;
        break;
      case 'chunk':
        expect(event.text).toBe(`${attempt}.${next}`);
        next += 1;
        break;
      case 'approval_required':
        expect(decided.has(event.call), 'asked again for what was decided').toBe(false);
        break;
      case 'approved':
      case 'rejected':
        expect(decided.get(event.call) ?? event.kind).toBe(event.kind);
        decided.set(event.call, event.kind);
        break;
      case 'paused':
      case 'resumed':
        expect(paused).toBe(event.kind === 'resumed');
        paused = event.kind === 'paused';
        break;
      case 'completed':
        expect(next).toBe(chunks);
        expect(event.result).toEqual([...decided.values()].map((kind) => kind === 'approved'));
        break;
    }
  }
  if (cancelled) expect(events.at(-1)).toEqual({ kind: 'cancelled', reason: 'told so' });
}

const simple = (...whats: ('work' | 'agent' | 'lose' | 'stall' | 'hear' | 'stop' | 'arrive' | 'retry')[]) =>
  fc.constantFrom(...whats.map((what): Step => ({ do: what })));
const wish = (...whats: ('cancel' | 'pause' | 'resume' | 'approve' | 'reject')[]) =>
  fc.record({ do: fc.constantFrom(...whats), nudged: fc.boolean() });
const mood: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('mood' as const),
  mood: fc.constantFrom<Mood>('fine', 'fine', 'away', 'mute', 'late'),
});
const time: fc.Arbitrary<Step> = fc.record({ do: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 500 }) });

const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: simple('agent') },
    { weight: 6, arbitrary: simple('work') },
    { weight: 3, arbitrary: simple('lose', 'stall', 'hear', 'stop') },
    { weight: 5, arbitrary: mood },
    { weight: 4, arbitrary: simple('arrive', 'retry') },
    { weight: 2, arbitrary: time },
    { weight: 7, arbitrary: wish('pause', 'resume', 'approve', 'approve', 'reject') },
    { weight: 1, arbitrary: wish('cancel') },
  ),
  { minLength: 5, maxLength: 60, size: 'max' },
);
const runs = Number(process.env['RUNNER_PROPERTY_RUNS'] ?? 300);

test('a run ends once, and its events are whole and in order, whatever happens to workers, store and wishes', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      const play = new Play();
      await play.begin();
      for (const next of taken) await play.take(next);
      await play.toTheEnd();
      expectTrue(await play.world.events(play.invocation), play.cancelled);
      expect(isOver(await play.world.run(play.invocation))).toBe(true);
    }),
    { numRuns: runs },
  );
});
