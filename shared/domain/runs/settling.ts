import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { InLine } from '../sessions/desk.ts';
import type { NewMessage } from '../sessions/messages.ts';
import { cancelRun } from './cancelling.ts';
import type { CancellingParts } from './cancelling.ts';
import type { Line } from './line.ts';
import type { RunIndex } from './run-index.ts';
import { jobOf } from './run-job.ts';
import { isOver } from './run.ts';
import type { Run } from './run.ts';

/** What is said to those that stand before a run that interrupts. */
export const interruptedReason = 'interrupted';

export interface SettlingParts extends CancellingParts {
  readonly line: Line;
  readonly index: RunIndex;
}

/** What a run that ended leaves to be done, and what brings the next one to work. Each may be done twice, by anybody. */
export class Settling {
  readonly #parts: SettlingParts;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
  }

  /**
   * Its messages go into the session, it leaves the line, and the next one's turn comes. It leaves the list of open runs
   * last: until then the sweeper comes back to it.
   */
  async settle(run: Run): Promise<Result<void>> {
    const { store, index } = this.#parts;
    if (run.session !== undefined) {
      const left = await this.#leave(run, run.session);
      if (!left.ok) return left;
      const forgotten = await store.forgetOutcome(run.invocation);
      if (!forgotten.ok) return forgotten;
      // Where this fails, the sweeper finds a queued run without a job.
      if (left.value.next) await this.#itsTurn(left.value.next);
    }
    const closed = await index.closed(run);
    return closed.ok ? ok(undefined) : closed;
  }

  /** Whoever heard of the end of a run finds that its session has its messages, and waits for nobody. */
  async settleEnded(session: string): Promise<Result<void>> {
    const { store, line } = this.#parts;
    const inLine = await line.of(session);
    if (!inLine.ok) return inLine;
    for (const { invocation } of inLine.value) {
      const loaded = await store.load(invocation);
      if (!loaded.ok && loaded.code !== 'not_found') return loaded;
      const settled = loaded.ok && isOver(loaded.value.run) ? await this.settle(loaded.value.run) : ok(undefined);
      if (!settled.ok) return settled;
    }
    return ok(undefined);
  }

  /** Puts a run that nobody holds on the queue, if its turn has come. False where there was nothing to put there, or no need. */
  async enqueue(run: Run): Promise<Result<boolean>> {
    if (run.state !== 'queued' || run.worker !== undefined) return ok(false);
    const { invocation, session } = run;
    if (session !== undefined) {
      const line = await this.#parts.line.of(session);
      if (!line.ok) return line;
      const place = line.value.findIndex((one) => one.invocation === invocation);
      // Interrupted before it was written, when there was nothing yet that could be cancelled.
      if (line.value[place]?.interrupted) {
        const interrupted = await this.interrupt(invocation);
        return interrupted.ok ? ok(false) : interrupted;
      }
      if (place !== 0) return ok(false);
    }
    const added = await this.#parts.engine.queue('runs').add(jobOf(run));
    return added.ok ? ok(added.value.added) : added;
  }

  /** For a later run of its session. One that is not written yet finds that out when it is. */
  async interrupt(invocation: string): Promise<Result<void>> {
    const cancelled = await cancelRun(this.#parts, invocation, interruptedReason);
    if (cancelled.ok) return isOver(cancelled.value) ? this.settle(cancelled.value) : ok(undefined);
    // It has ended, or is not there.
    return cancelled.code === 'conflict' || cancelled.code === 'not_found' ? ok(undefined) : cancelled;
  }

  async #leave(run: Run, session: string): Promise<Result<{ next?: InLine }>> {
    const { store, line } = this.#parts;
    const outcome = await store.outcome(run.invocation);
    if (!outcome.ok) return outcome;
    const { thread, state, createdAt, endedAt = createdAt } = run;
    const messages: NewMessage[] = outcome.value
      ? [
          { role: 'user', content: outcome.value.said, at: createdAt },
          ...outcome.value.messages.map(({ role, content }) => ({ role, content, at: endedAt })),
        ]
      : [];
    return line.leave(session, run.invocation, { thread, messages, state });
  }

  async #itsTurn({ invocation, interrupted }: InLine): Promise<void> {
    if (interrupted) {
      await this.interrupt(invocation);
      return;
    }
    const loaded = await this.#parts.store.load(invocation);
    if (loaded.ok) await this.enqueue(loaded.value.run);
  }
}
