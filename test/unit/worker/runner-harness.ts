import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import { realClock } from '../../../shared/base/clock.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import { ok } from '../../../shared/base/errors.ts';
import { newId } from '../../../shared/base/ids.ts';
import { step } from '../../../shared/domain/runs/machine.ts';
import type { Command } from '../../../shared/domain/runs/machine.ts';
import { isOver, topicOf } from '../../../shared/domain/runs/run.ts';
import type { Run } from '../../../shared/domain/runs/run.ts';
import { RunStore } from '../../../shared/domain/runs/run-store.ts';
import type { Engine, HeldJob, Verdict } from '../../../shared/engine/engine.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { Log } from '../../../shared/observe/log.ts';
import type { RunEvent } from '../../../shared/protocol/run-events.ts';
import type { Agent, AgentContext } from '../../../services/worker/agent.ts';
import { Runner } from '../../../services/worker/runner.ts';
import type { RunnerParts } from '../../../services/worker/runner.ts';
import type { Disturbed } from '../../support/disturbed-store.ts';

export const maxFrameBytes = 64 * 1024;
const historySize = 200_000;

export interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** A job whose fate is in the hands of the test. */
export class TestJob implements HeldJob {
  readonly id: string;
  readonly data: string;
  readonly #losing = new AbortController();
  parked = 0;

  constructor(invocation: string) {
    this.id = invocation;
    this.data = invocation;
  }

  get lost(): AbortSignal {
    return this.#losing.signal;
  }

  lose(): void {
    this.#losing.abort();
  }

  park(): () => void {
    this.parked += 1;
    return () => {
      this.parked -= 1;
    };
  }
}

/** Runs and runners on one store, and the client's side of a run by hand. */
export class World {
  readonly engine: Engine;
  readonly store: RunStore;
  readonly clock: Clock;
  readonly settled: Run[] = [];
  readonly logged: Line[] = [];
  readonly #disturbed: Disturbed;

  /** `around` stands between the runners and the store; the test's own view of it is never disturbed. */
  constructor(options: { clock?: Clock; around?: (engine: Engine) => Disturbed } = {}) {
    this.clock = options.clock ?? realClock;
    this.engine = createMemoryEngine({ historySize, historyTtlMs: 1e12, metaTtlMs: 1e12, clock: this.clock });
    this.store = new RunStore(this.engine, { historySize });
    this.#disturbed = options.around?.(this.engine) ?? this.engine;
  }

  runner(agents: readonly Agent[], parts: Partial<RunnerParts> = {}): Runner {
    return new Runner({
      engine: this.#disturbed,
      store: new RunStore(this.#disturbed, { historySize }),
      settling: {
        settle: (run) => {
          this.settled.push(run);
          return Promise.resolve(ok(undefined));
        },
      },
      sessions: {
        lastMessages: () => Promise.resolve(ok([])),
        stateOf: (session) => Promise.resolve(ok({ of: session })),
      },
      checkpoints: {
        create: () => Promise.resolve(ok({ checkpoint: 'c1' })),
        get: (checkpoint) => Promise.resolve(ok({ state: { of: checkpoint } })),
      },
      agents: new Map(agents.map((agent) => [agent.name, agent])),
      worker: 'worker-1',
      clock: this.clock,
      log: this.#log({}),
      options: { maxFrameBytes },
      ...parts,
    });
  }

  async start(run: Partial<Run> = {}, input: unknown = null): Promise<string> {
    const made: Run = {
      invocation: newId(),
      agent: 'test',
      owner: 'somebody',
      state: 'queued',
      attempt: 0,
      fence: 0,
      takeovers: 0,
      retries: 0,
      priority: 0,
      timeoutMs: 60_000,
      createdAt: this.clock.now(),
      pending: [],
      decisions: {},
      metadata: {},
      ...run,
    };
    expect(await this.store.create(made, { input })).toMatchObject({ ok: true });
    return made.invocation;
  }

  async run(invocation: string): Promise<Run> {
    const loaded = await this.store.load(invocation);
    if (!loaded.ok) throw new Error(loaded.message);
    return loaded.value.run;
  }

  /** What a gateway does for a client, its nudge to this runner included. */
  async wish(invocation: string, command: Command, runner?: Runner): Promise<void> {
    expect(await this.store.change(invocation, (run) => step(run, command))).toMatchObject({ ok: true });
    runner?.nudge(invocation);
  }

  async events(invocation: string): Promise<RunEvent[]> {
    const events: RunEvent[] = [];
    for (;;) {
      const read = await this.engine.log.read(topicOf(invocation), { after: events.length, limit: 1000 });
      if (!read.ok) throw new Error(read.message);
      if (read.value.events.length === 0) return events;
      for (const { body } of read.value.events) events.push((JSON.parse(body) as { data: RunEvent }).data);
    }
  }

  /** What its session is to get of it. */
  async messages(invocation: string): Promise<unknown> {
    const owed = await this.store.outcome(invocation);
    return owed.ok ? owed.value?.messages : owed;
  }

  async text(invocation: string): Promise<string> {
    return (await this.events(invocation)).map((event) => (event.kind === 'chunk' ? event.text : '')).join('');
  }

  /** Works the run's job until it is done, as the queue would, without its delays. */
  async workOff(runner: Runner, invocation: string): Promise<Run> {
    for (let tries = 0; tries < 20; tries++) {
      const verdict = await runner.work(new TestJob(invocation));
      if (verdict === 'done') break;
    }
    return this.run(invocation);
  }

  #log(bound: Record<string, unknown>): Log {
    const line =
      (level: string) =>
      (message: string, fields: Record<string, unknown> = {}) => {
        this.logged.push({ level, message, fields: { ...bound, ...fields } });
      };
    return {
      debug: line('debug'),
      info: line('info'),
      warn: line('warn'),
      error: line('error'),
      with: (fields) => this.#log({ ...bound, ...fields }),
    };
  }
}

export function agent(run: (context: AgentContext) => unknown, name = 'test'): Agent {
  return { name, description: 'of a test', run: run as Agent['run'] };
}

/** One that yields nothing. */
export function quiet(act: (context: AgentContext) => unknown, name = 'test'): Agent {
  return agent(async function* (context) {
    yield* [];
    return await act(context);
  }, name);
}

/** Waits in turns of the loop, so that a clock may stand still. */
export async function comesTo(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 20_000; turns++) {
    if (await condition()) return;
    await turn();
  }
  throw new Error('what the test waited for did not come');
}

/** The rules of a topic that has ended: one end, and nothing after it. */
export function expectOneEnd(events: readonly RunEvent[]): void {
  const ends = events.filter(({ kind }) => ['completed', 'cancelled', 'failed'].includes(kind));
  expect(ends).toHaveLength(1);
  expect(events.at(-1)).toBe(ends[0]);
}

export async function stateIs(world: World, invocation: string, state: Run['state']): Promise<void> {
  await comesTo(async () => (await world.run(invocation)).state === state);
}

/** Chunks since the attempt that counts began. */
export function lastAttempt(events: readonly RunEvent[]): RunEvent[] {
  return events.slice(events.findLastIndex(({ kind }) => kind === 'started') + 1);
}

export async function endOf(world: World, invocation: string): Promise<RunEvent> {
  const events = await world.events(invocation);
  expectOneEnd(events);
  expect(isOver(await world.run(invocation))).toBe(true);
  return must(events.at(-1));
}

export type { Verdict };
