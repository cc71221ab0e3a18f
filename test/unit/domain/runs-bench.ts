import { expect } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import { realClock } from '../../../shared/base/clock.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import { ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { Identity } from '../../../shared/domain/identity.ts';
import { step } from '../../../shared/domain/runs/machine.ts';
import type { Command } from '../../../shared/domain/runs/machine.ts';
import { runParts } from '../../../shared/domain/runs/parts.ts';
import type { KeepingOptions, RunParts } from '../../../shared/domain/runs/parts.ts';
import { topicOf } from '../../../shared/domain/runs/run.ts';
import type { Run } from '../../../shared/domain/runs/run.ts';
import { Runs } from '../../../shared/domain/runs/runs.ts';
import type { StartRun } from '../../../shared/domain/runs/start.ts';
import type { Outcome } from '../../../shared/domain/runs/run-store.ts';
import type { Engine } from '../../../shared/engine/engine.ts';
import type { RunEnd } from '../../../shared/protocol/run-events.ts';

export const alice: Identity = { id: 'alice', admin: false };
export const bob: Identity = { id: 'bob', admin: false };
export const root: Identity = { id: 'root', admin: true };

export async function got<T>(asked: Promise<Result<T>>): Promise<T> {
  const result = await asked;
  if (!result.ok) throw new Error(`${result.code}: ${result.message}`);
  return result.value;
}

export async function codeOf(asked: Promise<Result<unknown>>): Promise<string> {
  const result = await asked;
  return result.ok ? 'ok' : result.code;
}

/** The same store, seen through something that stands in between. */
export function through(
  engine: Engine,
  parts: { records?: Partial<Engine['records']>; queue?: Engine['queue'] },
): Engine {
  const { log, records, leases, signals, counters } = engine;
  return {
    log,
    leases,
    signals,
    counters,
    records: {
      read: (home, keys) => records.read(home, keys),
      page: (home, list, range) => records.page(home, list, range),
      commit: (home, change) => records.commit(home, change),
      ...parts.records,
    },
    queue: parts.queue ?? ((name) => engine.queue(name)),
    start: () => engine.start(),
    stop: () => engine.stop(),
    ready: () => engine.ready(),
    refused: () => engine.refused(),
  };
}

/** How much is kept, where a test says nothing else. */
const keeping: KeepingOptions = {
  runHistorySize: 1000,
  maxFrameBytes: 100_000,
  metaTtlS: 600,
  checkpointsPerSession: 1000,
  checkpointTtlS: 600,
};

/** The run domain as one gateway has it, and the worker's part of it by hand. */
export class Bench {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly parts: RunParts;
  readonly runs: Runs;
  /** Those that a worker announced. */
  readonly agents = new Set(['echo']);

  constructor(
    engine: Engine,
    options: { clock?: Clock; maxRunsPerIdentity?: number; auth?: 'token'; keeping?: Partial<KeepingOptions> } = {},
  ) {
    const { clock = realClock, maxRunsPerIdentity = 0, auth = 'none' } = options;
    this.engine = engine;
    this.clock = clock;
    this.parts = runParts({ engine, clock, config: { ...keeping, ...options.keeping } });
    this.runs = new Runs({
      engine,
      ...this.parts,
      agents: { known: (agent) => Promise.resolve(ok(this.agents.has(agent))) },
      clock,
      options: { runTimeoutMs: 60_000, maxRunsPerIdentity, auth },
    });
  }

  async start(asked: Partial<StartRun> = {}, identity = alice): Promise<string> {
    return (await got(this.runs.start(identity, { agent: 'echo', input: 'hello', ...asked }))).run.invocation;
  }

  async change(invocation: string, command: Command, outcome?: Outcome): Promise<Run> {
    const change = (run: Run): ReturnType<typeof step> => {
      const next = step(run, command);
      return next.ok && outcome ? ok({ ...next.value, outcome }) : next;
    };
    return (await got(this.parts.store.change(invocation, change))).run;
  }

  claim(invocation: string, worker = 'w'): Promise<Run> {
    return this.change(invocation, { do: 'claim', worker, at: this.clock.now() });
  }

  /** What a worker does at the end, but for the settling. */
  end(invocation: string, end: RunEnd = { kind: 'completed', result: 1 }, said = 'done', worker = 'w'): Promise<Run> {
    const at = this.clock.now();
    const messages = [{ role: 'assistant', content: said }];
    return this.change(invocation, { do: 'end', worker, end, at }, { messages });
  }

  /** From the claim to the settling. */
  async work(invocation: string, said = 'done'): Promise<void> {
    await this.claim(invocation);
    await got(this.parts.settling.settle(await this.end(invocation, undefined, said)));
  }

  async state(invocation: string): Promise<string> {
    return (await got(this.parts.store.load(invocation))).run.state;
  }

  /** What was said on a topic. */
  async events(topic: string): Promise<Record<string, unknown>[]> {
    const { events } = await got(this.engine.log.read(topic, { limit: 1000 }));
    return events.map(({ body }) => (JSON.parse(body) as { data: Record<string, unknown> }).data);
  }

  /** What those who watch tasks were told of its end. */
  async taskEnds(invocation: string): Promise<Record<string, unknown>[]> {
    const ends = ['completed', 'failed'].map((kind) => this.events(`task.${invocation}.${kind}`));
    return (await Promise.all(ends)).flat();
  }

  eventsOf(invocation: string): Promise<Record<string, unknown>[]> {
    return this.events(topicOf(invocation));
  }

  async hasJob(invocation: string): Promise<boolean> {
    return must((await got(this.engine.queue('runs').has([invocation])))[0]);
  }

  async line(session: string): Promise<string[]> {
    return (await got(this.parts.line.of(session))).map(({ invocation }) => invocation);
  }

  async open(): Promise<string[]> {
    return (await got(this.parts.index.openRuns(undefined, 1000))).invocations;
  }

  /** Role and content of each message of a session. */
  async messages(session: string): Promise<[string, unknown][]> {
    const { messages } = await got(this.parts.sessions.messages(root, { session, limit: 1000 }));
    return messages.map(({ role, content }) => [role, content]);
  }

  /** Nothing of it is left to be done, and it ended once. */
  async expectSettled(invocation: string): Promise<void> {
    const ends = (await this.eventsOf(invocation)).filter(({ kind }) =>
      ['completed', 'cancelled', 'failed'].includes(kind as string),
    );
    expect(ends).toHaveLength(1);
    expect(await this.taskEnds(invocation)).toHaveLength(1);
    expect(await this.open()).not.toContain(invocation);
    expect(await got(this.parts.store.outcome(invocation))).toBeUndefined();
  }
}
