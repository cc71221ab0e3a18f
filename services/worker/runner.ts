import { must } from '../../shared/base/assert.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { ok } from '../../shared/base/errors.ts';
import type { Result } from '../../shared/base/errors.ts';
import { claim } from '../../shared/domain/runs/holding-claim.ts';
import type { Held, HoldingParts } from '../../shared/domain/runs/holding.ts';
import { persist } from '../../shared/domain/runs/holding-retry.ts';
import { readJob } from '../../shared/domain/runs/run-job.ts';
import { isOver } from '../../shared/domain/runs/run.ts';
import type { Run } from '../../shared/domain/runs/run.ts';
import type { RunStore } from '../../shared/domain/runs/run-store.ts';
import type { HeldJob, Verdict } from '../../shared/engine/engine.ts';
import type { Log } from '../../shared/observe/log.ts';
import type { Tracing } from '../../shared/observe/tracing.ts';
import type { Agent, AgentContext } from './agent.ts';
import type { Blame } from './blame.ts';
import { RunningAttempt } from './runner-attempt.ts';
import { contextOf } from './runner-context.ts';
import type { Checkpoints, SessionReads } from './runner-context.ts';
import { contextErrorOf } from './runner-errors.ts';

/** For another worker, which has the agent that this one has not. */
const elsewhereInMs = 200;
/** Where none has it for now, many may wait: less often then, the longer it takes. */
const elsewhereAtMostMs = 2000;
const elsewhere = ({ attempt, createdAt }: Run, now: number): number =>
  attempt > 0 ? elsewhereInMs : Math.min(elsewhereAtMostMs, Math.max(elsewhereInMs, (now - createdAt) / 10));

export interface RunnerParts {
  readonly engine: HoldingParts['engine'];
  readonly store: RunStore;
  readonly settling: { settle(run: Run): Promise<Result<unknown>> };
  readonly sessions: SessionReads;
  readonly checkpoints: Checkpoints;
  readonly agents: ReadonlyMap<string, Agent>;
  /** The id of this worker, a new one at each start of a process: it is what a run's record names. */
  readonly worker: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: RunnerMetrics;
  readonly tracing?: Tracing | undefined;
  readonly blame?: Blame;
  readonly options: { readonly maxFrameBytes: number };
}

export interface RunnerMetrics {
  /** An attempt begins; `run` as it is then. */
  began(run: Run, takeover: boolean): void;
  /** An attempt is over, after so long. `run` as it was left, unless it was lost. */
  left(agent: string, run: Run | undefined, tookMs: number): void;
}

/** Executes the runs that the queue gives to this worker. */
export class Runner {
  readonly #parts: RunnerParts;
  readonly #inHand = new Map<string, RunningAttempt>();
  readonly #works = new Set<Promise<Verdict>>();
  #parked = 0;
  #handsBack = false;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Those that wait for somebody included. */
  get running(): number {
    return this.#inHand.size;
  }

  get parked(): number {
    return this.#parked;
  }

  /** What a consumer of the queue is given as its work. A throw is a fault of the store or ours: the job comes back. */
  readonly work = (job: HeldJob): Promise<Verdict> => {
    const work = this.#work(job).finally(() => this.#works.delete(work));
    this.#works.add(work);
    return work;
  };

  /** Somebody wants something of a run that this worker holds. */
  nudge(invocation: string): void {
    void this.#inHand.get(invocation)?.held.look();
  }

  /**
   * For the end of a worker: gives back what is still in hand, the record of each run first and then its job, so that
   * no takeover is counted. Agents are told by their signal and not waited for. To be called before the consumer's own
   * deadline, at which it hands back the jobs alone.
   */
  async handBack(): Promise<void> {
    this.#handsBack = true;
    for (const attempt of this.#inHand.values()) attempt.handBack();
    await Promise.allSettled(this.#works);
  }

  async #work(job: HeldJob): Promise<Verdict> {
    if (this.#handsBack) return { againInMs: 0 };
    const { engine, store, clock, worker, agents, tracing, options } = this.#parts;
    const parts = { engine, store, clock, maxEventBytes: options.maxFrameBytes };
    const since = clock.now();
    const { invocation, trace } = readJob(job.data);
    const take = (): ReturnType<typeof claim> =>
      claim(parts, worker, invocation, job.lost, (agent) => agents.has(agent));
    const claimed = await (tracing ? tracing.within(trace, take) : take());
    if (!claimed.ok) {
      if (job.lost.aborted) return 'done';
      throw new Error(`the run could not be claimed: ${claimed.code}: ${claimed.message}`);
    }
    switch (claimed.value.is) {
      case 'not here':
        return { againInMs: elsewhere(claimed.value.run, clock.now()) };
      case 'not ours':
        return 'done';
      case 'over':
        await this.#settle(claimed.value.run);
        return 'done';
      case 'held': {
        const { held, takeover } = claimed.value;
        const execute = (): Promise<Verdict> => this.#execute(job, held, takeover);
        const { agent, attempt } = held.run;
        return tracing ? tracing.attempt({ invocation, agent, attempt, worker, trace, since }, execute) : execute();
      }
    }
  }

  async #execute(job: HeldJob, held: Held, takeover: boolean): Promise<Verdict> {
    const { agents, blame, clock, metrics, tracing, options, log } = this.#parts;
    const { invocation, agent: name } = held.run;
    const agent = must(agents.get(name));
    const begun = clock.now();
    metrics?.began(held.run, takeover);
    const attempt = new RunningAttempt(held, {
      clock,
      maxBytes: options.maxFrameBytes,
      park: () => this.#park(job),
      whenLost: (failure) => log.info('a run is lost', { invocation, agent: name, ...(failure ? { failure } : {}) }),
    });
    // The queue gave us a job that it had taken from us before we heard of it.
    this.#inHand.get(invocation)?.lose();
    this.#inHand.set(invocation, attempt);
    if (this.#handsBack) attempt.handBack();
    try {
      const state = await this.#stateFor(held.run, attempt.signal);
      const work = (context: AgentContext): ReturnType<typeof attempt.work> =>
        blame ? blame.during(attempt, () => attempt.work(agent, context)) : attempt.work(agent, context);
      const concluded = await attempt.conclude(
        state.ok ? await work(this.#contextOf(attempt, state.value)) : { is: 'thrown', error: contextErrorOf(state) },
      );
      metrics?.left(name, concluded.run, clock.now() - begun);
      tracing?.left(concluded.run?.state ?? 'lost', concluded.run?.error?.code);
      if (concluded.run && isOver(concluded.run)) await this.#settle(concluded.run);
      return concluded.verdict;
    } catch (error) {
      log.error('the runner failed', { invocation, agent: name, error });
      attempt.lose();
      throw error;
    } finally {
      if (this.#inHand.get(invocation) === attempt) this.#inHand.delete(invocation);
    }
  }

  #contextOf(attempt: RunningAttempt, state: unknown): ReturnType<typeof contextOf> {
    const { sessions, checkpoints, log } = this.#parts;
    const { invocation, agent } = attempt.held.run;
    return contextOf(attempt, state, sessions, checkpoints, log.with({ invocation, agent }));
  }

  /** The checkpoint's that it was started from, else the session's, else null. */
  async #stateFor(run: Run, until: AbortSignal): Promise<Result<unknown>> {
    const { clock, sessions, checkpoints } = this.#parts;
    const { checkpoint, session } = run;
    if (checkpoint !== undefined) {
      const found = await persist(clock, until, () => checkpoints.get(checkpoint));
      return found.ok ? ok(found.value.state) : found;
    }
    if (session === undefined) return ok(null);
    return persist(clock, until, () => sessions.stateOf(session));
  }

  /** The sweeper does it later where it fails now. */
  async #settle(run: Run): Promise<void> {
    const settled = await this.#parts.settling.settle(run);
    if (settled.ok) return;
    const { invocation } = run;
    this.#parts.log.warn('a run that ended is not settled yet', { invocation, code: settled.code });
  }

  #park(job: HeldJob): () => void {
    const unpark = job.park();
    this.#parked += 1;
    return () => {
      this.#parked -= 1;
      unpark();
    };
  }
}
