import { realClock } from '../../shared/base/clock.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { Result } from '../../shared/base/errors.ts';
import { shortId } from '../../shared/base/ids.ts';
import type { Service } from '../../shared/base/lifecycle.ts';
import type { Config } from '../../shared/config/options.ts';
import { Agents } from '../../shared/domain/agents.ts';
import { runParts } from '../../shared/domain/runs/parts.ts';
import { onNudge } from '../../shared/domain/runs/run-signals.ts';
import { Sweeper } from '../../shared/domain/runs/sweeper.ts';
import { Swarms } from '../../shared/domain/swarms/swarms.ts';
import type { Consumer, Engine } from '../../shared/engine/engine.ts';
import type { Log } from '../../shared/observe/log.ts';
import type { MetricsPage } from '../../shared/observe/metrics-page.ts';
import type { Tracing } from '../../shared/observe/tracing.ts';
import { WorkerMetrics } from '../../shared/observe/worker-metrics.ts';
import { askAboutFaults } from '../process/process.ts';
import type { Agent } from './agent.ts';
import { Blame } from './blame.ts';
import { takeDeadlines } from './deadlines.ts';
import { countRuns } from './run-metrics.ts';
import { Runner } from './runner.ts';

/** What handing runs back may take beyond the deadline of a drain: a call to a store that is away. Then the queue takes the jobs. */
const handBackMs = 6000;
/** How often a drain looks whether anything is still at work. */
const lookMs = 50;

export interface WorkerParts {
  readonly config: Config;
  readonly engine: Engine;
  readonly log: Log;
  /** What its figures are shown on: those of its process, which may be a gateway's as well. */
  readonly page: MetricsPage;
  readonly agents: ReadonlyMap<string, Agent>;
  readonly tracing?: Tracing | undefined;
  readonly clock?: Clock;
}

/** Takes runs from the queue and executes them, and decides proposals whose deadline has come. The engine is started and stopped by whoever made it. */
export class Worker implements Service {
  readonly name = 'worker';
  /** A new one at each start: records of runs name it, and one that was started again must not pass for the one that died. */
  readonly id = shortId();
  readonly #parts: WorkerParts;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #runner: Runner;
  readonly #sweeper: Sweeper;
  readonly #announcement: Agents;
  #consumer: Consumer | undefined;
  #deadlines: Consumer | undefined;
  #offNudge: () => void = () => {};
  #state: 'starting' | 'taking runs' | 'draining' = 'starting';

  constructor(parts: WorkerParts) {
    const { config, engine, agents, page, tracing, clock = realClock } = parts;
    this.#parts = parts;
    this.#clock = clock;
    this.#log = parts.log.with({ worker: this.id });
    this.#announcement = new Agents(engine.leases, clock);
    const { store, index, settling, sessions, checkpoints } = runParts({ engine, clock, config });
    const blame = config.agents.length > 0 ? new Blame(this.#log) : undefined;
    if (blame) askAboutFaults(blame.takes);
    this.#runner = new Runner({
      engine,
      store,
      settling,
      sessions,
      checkpoints: checkpoints.forAgents(),
      agents,
      worker: this.id,
      clock,
      log: this.#log,
      ...(blame ? { blame } : {}),
      metrics: countRuns(
        new WorkerMetrics(page, {
          agents: [...agents.keys()],
          slots: config.workerConcurrency,
          inHand: () => this.#runner,
        }),
      ),
      tracing,
      options: { maxFrameBytes: config.maxFrameBytes },
    });
    this.#sweeper = new Sweeper({
      engine,
      store,
      index,
      settling,
      agents: this.#announcement,
      worker: this.id,
      clock,
      log: this.#log,
    });
  }

  /** `ready`, or in words why not. */
  status(): string {
    if (this.#state !== 'taking runs') return this.#state;
    return this.#parts.engine.ready() ? 'ready' : 'store unavailable';
  }

  async start(): Promise<void> {
    const { config, engine, agents } = this.#parts;
    const slots = config.workerConcurrency;
    this.#offNudge = valueOf(await onNudge(engine.signals, this.id, (invocation) => this.#runner.nudge(invocation)));
    this.#consumer = valueOf(await engine.queue('runs').consume({ slots, work: this.#runner.work }));
    const swarms = new Swarms({ engine, clock: this.#clock, options: config });
    this.#deadlines = valueOf(await takeDeadlines(engine, swarms, this.#clock));
    this.#sweeper.start();
    const startedAt = this.#clock.now();
    const known = [...agents.values()].map(({ name, description }) => ({ name, description }));
    await this.#announcement.announce(() => {
      const { running, parked } = this.#runner;
      return { worker: this.id, startedAt, agents: known, slots, running, parked };
    });
    this.#state = 'taking runs';
    this.#log.info('taking runs', { agents: [...agents.keys()], slots });
  }

  /** Takes no more; those at work may end until the deadline. What is left then, or only waits, is handed back. */
  async drain(deadlineMs: number): Promise<void> {
    this.#state = 'draining';
    this.#parts.page.draining = true;
    const { running, parked } = this.#runner;
    this.#log.info('draining', { running, parked });
    const until = this.#clock.now() + deadlineMs;
    let cancel: () => void = () => {};
    const look = (): void => {
      if (this.#runner.running <= this.#runner.parked || this.#clock.now() >= until) void this.#runner.handBack();
      else cancel = this.#clock.later(Math.min(lookMs, until - this.#clock.now()), look);
    };
    const stopped = this.#consumer?.stop(deadlineMs + handBackMs);
    look();
    await Promise.all([stopped, this.#deadlines?.stop(deadlineMs)]);
    cancel();
  }

  async stop(): Promise<void> {
    if (this.#state !== 'draining') await this.drain(0);
    this.#offNudge();
    await this.#sweeper.stop();
    await this.#announcement.stop();
  }
}

/** At a start there is nobody to answer to: a store that is away ends it. */
function valueOf<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(`the store does not take a worker: ${result.message}`);
}
