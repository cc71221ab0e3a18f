import type { Clock } from '../../base/clock.ts';
import { fail, ok } from '../../base/errors.ts';
import type { Failure, Result } from '../../base/errors.ts';
import type { Config } from '../../config/options.ts';
import type { Agents } from '../agents.ts';
import type { Checkpoints } from '../checkpoints/checkpoints.ts';
import { derivedId } from '../derived-ids.ts';
import type { Identity } from '../identity.ts';
import type { InLine } from '../sessions/desk.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { TakingTurns } from '../taking-turns.ts';
import type { Line, WhenBusy } from './line.ts';
import type { RunIndex } from './run-index.ts';
import { isOver, newInvocation } from './run.ts';
import type { Run } from './run.ts';
import type { RunStore } from './run-store.ts';
import type { Settling } from './settling.ts';

/** Sooner than the sweeper takes a run that is listed and not written for one that never will be. */
const startingMs = 5_000;

export interface StartRun {
  readonly agent: string;
  readonly input: unknown;
  /** How it stands among the session's messages, where that is not the input itself. */
  readonly said?: unknown;
  readonly session?: string;
  readonly thread?: string;
  readonly key?: string;
  readonly priority?: number;
  readonly timeoutMs?: number;
  readonly whenBusy?: WhenBusy;
  readonly checkpoint?: string;
  readonly metadata?: Record<string, unknown>;
  /** The traceparent of the request, where that is recorded; as we write it. */
  readonly trace?: string;
}

export interface StartOptions {
  /** Of an attempt, where the request names no limit. */
  readonly runTimeoutMs: number;
  /** That have not ended; 0 is no limit. */
  readonly maxRunsPerIdentity: number;
  readonly auth: Config['auth'];
}

export interface StartParts {
  readonly store: RunStore;
  readonly index: RunIndex;
  readonly line: Line;
  readonly sessions: Sessions;
  readonly checkpoints: Pick<Checkpoints, 'get'>;
  readonly agents: Pick<Agents, 'known'>;
  readonly settling: Settling;
  readonly clock: Clock;
  readonly options: StartOptions;
}

export interface Started {
  readonly run: Run;
  /** The key is that of a run which was started before, and this is that run. */
  readonly duplicate: boolean;
}

/**
 * The start of a run, step by step: it is listed, it stands in line, it is written, it is on the queue. After each step
 * the process may die, and what it left is done or undone by the sweeper. The client hears `unavailable` only while the
 * run is not known to be written; from then on it exists, and will be worked on.
 */
export class Start {
  readonly #parts: StartParts;
  readonly #turns = new TakingTurns();
  #lastRank = 0;

  constructor(parts: StartParts) {
    this.#parts = parts;
  }

  /** The key decides by itself: whoever comes with it again cannot write the same record a second time. */
  start(identity: Identity, asked: StartRun, begins?: (invocation: string) => void): Promise<Result<Started>> {
    const { key } = asked;
    if (key === undefined) return this.#begin(identity, newInvocation(), asked, begins);
    const invocation = derivedId([identity.id, key]);
    return this.#turns.take(invocation, async () => {
      const known = await this.#parts.store.load(invocation);
      if (known.ok) return this.#duplicate(known.value.run);
      return known.code === 'not_found' ? this.#begin(identity, invocation, asked, begins) : known;
    });
  }

  async #begin(
    identity: Identity,
    invocation: string,
    asked: StartRun,
    begins?: (invocation: string) => void,
  ): Promise<Result<Started>> {
    const { store, clock, options } = this.#parts;
    const refused = await this.#refusal(identity, asked);
    if (refused) return refused;
    begins?.(invocation);
    const began = clock.now();
    const run = this.#newRun(identity, invocation, asked, began);
    const rank = this.#nextRank(began);
    const listed = await this.#list(run, rank, options.maxRunsPerIdentity);
    if (!listed.ok) return listed;
    const placed = await this.#place(run, rank, asked.whenBusy ?? 'enqueue');
    if (!placed.ok) {
      if (placed.code === 'busy' || placed.code === 'not_found')
        await this.#parts.index.takeBack(invocation, run, listed.value.rev);
      return placed;
    }
    // Before it is written: a run that exists has interrupted the others.
    const interrupted = await this.#interrupt(placed.value.interrupted);
    if (!interrupted.ok) return interrupted;
    const { input, said } = asked;
    const written = await store.create(run, said === undefined ? { input } : { input, said });
    if (!written.ok) return written.code === 'conflict' ? this.#conflict(run, listed.value.rev) : written;
    if (clock.now() - began > startingMs) {
      // It was perhaps taken for one that never would be written. Now that it is, no quota can keep it off the list.
      await this.#list(run, rank, 0);
      await this.#place(run, rank, 'enqueue');
    }
    await this.#parts.settling.enqueue(run);
    return ok({ run, duplicate: false });
  }

  /** It may have been left before it was on the queue. */
  async #duplicate(run: Run): Promise<Result<Started>> {
    await this.#parts.settling.enqueue(run);
    return ok({ run, duplicate: true });
  }

  /** Why there can be no such run, whatever else is going on. */
  async #refusal(identity: Identity, { agent, session, checkpoint }: StartRun): Promise<Failure | undefined> {
    const { agents, sessions, checkpoints } = this.#parts;
    const [known, found, kept] = await Promise.all([
      agents.known(agent),
      session === undefined ? undefined : sessions.get(identity, session),
      checkpoint === undefined ? undefined : checkpoints.get(identity, checkpoint),
    ]);
    if (!known.ok) return known;
    if (!known.value) return fail('not_found', `no worker has the agent ${agent}`);
    if (found && !found.ok) return found;
    if (kept && !kept.ok) return kept;
    return kept && kept.value.session !== session ? fail('not_found', 'there is no such checkpoint') : undefined;
  }

  #newRun(identity: Identity, invocation: string, asked: StartRun, createdAt: number): Run {
    const { agent, session, thread, checkpoint, priority = 0, metadata = {}, trace } = asked;
    return {
      invocation,
      agent,
      owner: identity.id,
      ...(session === undefined ? {} : { session }),
      ...(thread === undefined ? {} : { thread }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
      state: 'queued',
      attempt: 0,
      fence: 0,
      takeovers: 0,
      retries: 0,
      priority,
      timeoutMs: asked.timeoutMs ?? this.#parts.options.runTimeoutMs,
      createdAt,
      pending: [],
      decisions: {},
      metadata,
      ...(trace === undefined ? {} : { trace }),
      ...(this.#parts.options.auth === 'none' ? {} : { private: true }),
    };
  }

  #list({ invocation, owner, session }: Run, rank: number, mostOpen: number): Promise<Result<{ rev: number }>> {
    const entry = session === undefined ? { owner } : { owner, session };
    return this.#parts.index.opened(invocation, entry, rank, mostOpen);
  }

  #place(run: Run, rank: number, whenBusy: WhenBusy): Promise<Result<{ interrupted: readonly InLine[] }>> {
    const { invocation, agent, session, createdAt } = run;
    if (session === undefined) return Promise.resolve(ok({ interrupted: [] }));
    return this.#parts.line.enter(session, { invocation, agent, at: createdAt }, rank, whenBusy);
  }

  /**
   * The head only: those behind it are marked in the line, and are cancelled as their turn comes. So they leave in its
   * order, and the session has their messages as they were said.
   */
  async #interrupt([head]: readonly InLine[]): Promise<Result<void>> {
    return head ? this.#parts.settling.interrupt(head.invocation) : ok(undefined);
  }

  /** Somebody with the same key was quicker, or it was used long ago. */
  async #conflict(run: Run, rev: number): Promise<Result<Started>> {
    const { store, line, index, settling } = this.#parts;
    const { invocation, session } = run;
    const there = await store.load(invocation);
    if (there.ok && !isOver(there.value.run)) return this.#duplicate(there.value.run);
    if (!there.ok && there.code !== 'not_found') return there;
    // It has no place in this line: it left long ago, or stood in another.
    if (session !== undefined && session !== (there.ok ? there.value.run.session : undefined)) {
      const left = await line.leave(session, invocation);
      if (!left.ok) return left;
    }
    if (there.ok) {
      await settling.settle(there.value.run);
      return ok({ run: there.value.run, duplicate: true });
    }
    await index.takeBack(invocation, run, rev);
    return fail('conflict', 'the run of this key is no longer kept');
  }

  /** Microseconds, so that runs of the same millisecond and gateway stand in the order in which they were started. */
  #nextRank(now: number): number {
    return (this.#lastRank = Math.max(this.#lastRank + 1, now * 1000));
  }
}
