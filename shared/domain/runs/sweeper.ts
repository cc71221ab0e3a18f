import type { Clock } from '../../base/clock.ts';
import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Engine, Leases, Queue } from '../../engine/engine.ts';
import type { Log } from '../../observe/log.ts';
import type { Agents } from '../agents.ts';
import { step } from './machine.ts';
import type { RunIndex } from './run-index.ts';
import { jobOf } from './run-job.ts';
import { isOver } from './run.ts';
import type { Run } from './run.ts';
import { nudge } from './run-signals.ts';
import type { RunStore } from './run-store.ts';
import type { Settling } from './settling.ts';
import { isOutOfTime, isWanted, needOf } from './sweeper-need.ts';

const everyMs = 2000;
/** Two rounds may be missed before another worker takes the work over. */
const leaseMs = 3 * everyMs;
/** Of one round, page by page; the next goes on where it stopped. */
const runsPerPage = 500;
const pagesPerRound = 20;
/** What is looked at together. */
const atOnce = 50;
/** A run is listed before it is written. One that is not written after this time never will be (see start.ts). */
const unwrittenMs = 10_000;

export interface SweeperParts {
  readonly engine: Pick<Engine, 'leases' | 'signals' | 'queue'>;
  readonly store: RunStore;
  readonly index: Pick<RunIndex, 'openRuns' | 'headOf' | 'drop'>;
  readonly settling: Pick<Settling, 'settle' | 'enqueue'>;
  readonly agents: Pick<Agents, 'known'>;
  /** Who sweeps: any name that no other worker has. */
  readonly worker: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Finds what was left undone when somebody died in the middle, and does it. Every step of a run's life may be followed
 * by a crash, and each leaves something that shows: this is the one place that looks for all of it, so nobody else has
 * to. Whatever it does may be done twice, by two of them at once or by somebody slow, without harm.
 */
export class Sweeper {
  readonly #parts: SweeperParts;
  readonly #queue: Queue;
  readonly #turn: Turn;
  /** Listed, but not written when they were first seen. */
  readonly #unwritten = new Map<string, number>();
  #cursor: string | undefined;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(parts: SweeperParts) {
    this.#parts = parts;
    this.#queue = parts.engine.queue('runs');
    this.#turn = new Turn(parts.engine.leases, parts.worker);
  }

  start(): void {
    this.#cancel = this.#parts.clock.later(everyMs, () => void this.#go());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#turn.give();
  }

  async #go(): Promise<void> {
    try {
      if (await this.#turn.take()) await this.#round();
    } catch (error) {
      this.#parts.log.error('a round of the sweeper failed', { error });
    }
    if (!this.#stopped) this.start();
  }

  /** What cannot be done now, because the store is away, is found again by a later round. */
  async #round(): Promise<void> {
    for (let pages = 0; pages < pagesPerRound && !this.#stopped; pages += 1) {
      const page = await this.#parts.index.openRuns(this.#cursor, runsPerPage);
      if (!page.ok || !(await this.#lookAt(page.value.invocations))) return;
      this.#cursor = page.value.cursor;
      if (this.#cursor === undefined) break;
    }
    if (this.#cursor === undefined) this.#forget();
  }

  /** False where the store is away: the same page again then. */
  async #lookAt(invocations: readonly string[]): Promise<boolean> {
    for (let from = 0; from < invocations.length && !this.#stopped; from += atOnce) {
      const some = invocations.slice(from, from + atOnce);
      // Before the records are read: a run whose job is seen missing because it has just ended is then seen ended.
      const queued = await this.#queue.has(some);
      if (!queued.ok) return false;
      await Promise.all(some.map((invocation, i) => this.#look(invocation, queued.value[i] === true)));
    }
    return true;
  }

  async #look(invocation: string, hasJob: boolean): Promise<void> {
    const { store, settling, engine } = this.#parts;
    const loaded = await store.load(invocation);
    if (!loaded.ok) {
      if (loaded.code === 'not_found') await this.#missing(invocation);
      return;
    }
    this.#unwritten.delete(invocation);
    const { run } = loaded.value;
    const need = needOf(run);
    if (need === 'rest') return;
    if (need === 'settled') await settling.settle(run);
    else if (await this.#isHopeless(run)) await this.#giveUp(run);
    else if (!hasJob) await this.#toWork(run);
    else if (run.worker !== undefined && isWanted(run)) nudge(engine.signals, run.worker, invocation);
  }

  async #missing(invocation: string): Promise<void> {
    const now = this.#parts.clock.now();
    const since = this.#unwritten.get(invocation) ?? now;
    this.#unwritten.set(invocation, since);
    if (now - since < unwrittenMs) return;
    const dropped = await this.#parts.index.drop(invocation, async () => {
      const loaded = await this.#parts.store.load(invocation);
      return !loaded.ok && loaded.code === 'not_found';
    });
    if (!dropped.ok) return;
    this.#unwritten.delete(invocation);
    if (dropped.value) this.#parts.log.warn('a run that was never written is off the list', { invocation });
  }

  /** The claim finds out what this means for the run: a beginning, a takeover, or a wish that nobody has carried out. */
  async #toWork(run: Run): Promise<void> {
    const { session } = run;
    if (run.state !== 'queued' || session === undefined) return this.#add(run);
    await this.#parts.settling.enqueue(run);
    const head = await this.#parts.index.headOf(session);
    if (!head.ok || head.value === run.invocation) return;
    if (head.value === undefined) await this.#add(run);
    else await this.#unblock(head.value);
  }

  async #add(run: Run): Promise<void> {
    const { invocation, state } = run;
    const added = await this.#queue.add(jobOf(run));
    if (added.ok && added.value.added) this.#parts.log.info('a run had no job', { invocation, state });
  }

  /** Where the one whose turn it is has ended, or was never written, its line has stopped. */
  async #unblock(head: string): Promise<void> {
    const first = await this.#parts.store.load(head);
    if (first.ok && isOver(first.value.run)) await this.#parts.settling.settle(first.value.run);
    if (!first.ok && first.code === 'not_found') await this.#missing(head);
  }

  async #isHopeless(run: Run): Promise<boolean> {
    if (!isOutOfTime(run, this.#parts.clock.now())) return false;
    const known = await this.#parts.agents.known(run.agent);
    return known.ok && !known.value;
  }

  async #giveUp({ invocation, agent }: Run): Promise<void> {
    const { store, settling, clock, log } = this.#parts;
    const error = { code: 'no_worker', message: `no worker has the agent ${agent}` };
    const given = await store.change(invocation, (run) => step(run, { do: 'give up', error, at: clock.now() }));
    if (!given.ok) return;
    log.warn('a run was given up', { invocation, agent });
    await settling.settle(given.value.run);
    await this.#queue.remove(invocation);
  }

  /** At the end of the list: whoever was not met again has been written, or dropped by another. */
  #forget(): void {
    const now = this.#parts.clock.now();
    for (const [invocation, since] of this.#unwritten) {
      if (now - since > 10 * unwrittenMs) this.#unwritten.delete(invocation);
    }
  }
}

const group = 'sweeper';

/** One worker at a time, for as long as it goes on. */
class Turn {
  readonly #leases: Leases;
  readonly #worker: string;

  constructor(leases: Leases, worker: string) {
    this.#leases = leases;
    this.#worker = worker;
  }

  async take(): Promise<boolean> {
    const held = await this.#holder();
    if (!held.ok || (held.value !== undefined && held.value !== this.#worker)) return false;
    const taken = await this.#leases.hold(group, [{ member: group, value: this.#worker }], leaseMs);
    // Two may have found nobody there: the one who came first has it.
    return taken.ok && (held.value === this.#worker || taken.value.joined.length > 0);
  }

  async give(): Promise<void> {
    const held = await this.#holder();
    if (held.ok && held.value === this.#worker) await this.#leases.drop(group, [group]);
  }

  async #holder(): Promise<Result<string | undefined>> {
    const holders = await this.#leases.list(group);
    return holders.ok ? ok(holders.value.find(({ member }) => member === group)?.value) : holders;
  }
}
