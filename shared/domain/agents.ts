import type { Clock } from '../base/clock.ts';
import { ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import type { Leases } from '../engine/engine.ts';
import { Gathered } from './gathered.ts';

const announceMs = 2000;
const workerGroup = 'workers';
/** Two announcements may be lost before a worker counts as gone. */
const workerLeaseMs = 3 * announceMs;
const agentGroup = 'agents';
/** A run for an agent whose workers are away for so long waits for them, and one that is asked for later is refused. */
const agentLeaseMs = 60_000;
/** How old the answer to a question for an agent may be, if it is a yes. */
const copyMs = 1000;

export interface AgentInfo {
  readonly name: string;
  readonly description: string;
}

/** What each worker tells about itself. */
export interface WorkerFigures {
  worker: string;
  startedAt: number;
  agents: AgentInfo[];
  slots: number;
  running: number;
  parked: number;
}

interface Copy {
  readonly agents: AgentInfo[];
  readonly names: ReadonlySet<string>;
  /** When it was asked for. */
  readonly at: number;
}

/** Who can be asked to run: workers announce themselves and their agents by leases. */
export class Agents {
  readonly #leases: Leases;
  readonly #clock: Clock;
  #figures: (() => WorkerFigures) | undefined;
  #cancel: () => void = () => {};
  #stopped = false;
  #copy: Copy | undefined;
  /** However many ask at once, the store is asked one at a time. */
  readonly #asking = new Gathered(() => this.#read());

  constructor(leases: Leases, clock: Clock) {
    this.#leases = leases;
    this.#clock = clock;
  }

  /** Resolves when the worker and its agents were announced once; goes on until `stop`. */
  async announce(figures: () => WorkerFigures): Promise<void> {
    this.#figures = figures;
    // Of those before it: each start of a worker brings a new name.
    await Promise.all([workerGroup, agentGroup].map((group) => this.#tidy(group)));
    await this.#announce(figures);
  }

  /** Its agents are known for a while yet: another worker, or its successor, may have them. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    if (this.#figures) await this.#leases.drop(workerGroup, [this.#figures().worker]);
  }

  /** Has any worker announced it lately? A no is never older than the question. */
  async known(agent: string): Promise<Result<boolean>> {
    const now = this.#clock.now();
    if (this.#copy && now - this.#copy.at < copyMs && this.#copy.names.has(agent)) return ok(true);
    const copy = await this.#asking.ask();
    return copy.ok ? ok(copy.value.names.has(agent)) : copy;
  }

  async agents(): Promise<Result<AgentInfo[]>> {
    const copy = await this.#asking.ask();
    return copy.ok ? ok(copy.value.agents) : copy;
  }

  async workers(): Promise<Result<WorkerFigures[]>> {
    const held = await this.#leases.list(workerGroup);
    return held.ok ? ok(held.value.map(({ value }) => JSON.parse(value) as WorkerFigures)) : held;
  }

  async #tidy(group: string): Promise<void> {
    const reaped = await this.#leases.reap(group);
    // An agent has the same value whoever announces it: another worker may do so at this moment.
    if (reaped.ok) await this.#leases.forget(group, reaped.value.gone, 'ended');
  }

  /** A store that is away is told the next time. */
  async #announce(figures: () => WorkerFigures): Promise<void> {
    const own = figures();
    const names = own.agents.map(({ name, description }) => ({ member: name, value: description }));
    await Promise.all([
      this.#leases.hold(workerGroup, [{ member: own.worker, value: JSON.stringify(own) }], workerLeaseMs),
      this.#leases.hold(agentGroup, names, agentLeaseMs),
    ]);
    if (this.#stopped) return;
    this.#cancel = this.#clock.later(announceMs, () => void this.#announce(figures));
  }

  async #read(): Promise<Result<Copy>> {
    const at = this.#clock.now();
    const held = await this.#leases.list(agentGroup);
    if (!held.ok) return held;
    const agents = held.value.map(({ member, value }) => ({ name: member, description: value }));
    this.#copy = { agents, names: new Set(agents.map(({ name }) => name)), at };
    return ok(this.#copy);
  }
}
