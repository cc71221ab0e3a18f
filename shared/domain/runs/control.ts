import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import { cancelRun } from './cancelling.ts';
import type { CancellingParts } from './cancelling.ts';
import { step } from './machine.ts';
import type { Command } from './machine.ts';
import { isOver } from './run.ts';
import type { Decision, Run } from './run.ts';
import { nudge } from './run-signals.ts';
import type { Standing } from './run-store.ts';
import type { Settling } from './settling.ts';

/** When a job that is being dropped is looked at again. After that the sweeper finds it. */
const againMs = [20, 100, 500];

export interface ControlParts extends CancellingParts {
  readonly settling: Settling;
}

/**
 * What clients want of a run: put on its record first, and told to the worker that holds it then. What fails after the
 * record was changed fails nobody's request: the sweeper does it.
 */
export class Control {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  async cancel(standing: Standing, reason: string): Promise<Result<Run>> {
    const cancelled = await cancelRun(this.#parts, standing.run.invocation, reason, standing);
    if (cancelled.ok && isOver(cancelled.value)) await this.#parts.settling.settle(cancelled.value);
    return cancelled;
  }

  pause(standing: Standing): Promise<Result<Run>> {
    return this.#want(standing, { do: 'pause' });
  }

  async resume(standing: Standing): Promise<Result<Run>> {
    const resumed = await this.#want(standing, { do: 'resume' });
    if (!resumed.ok) return resumed;
    const queued = await this.#parts.settling.enqueue(resumed.value);
    if (queued.ok && !queued.value && resumed.value.worker === undefined) this.#insist(resumed.value.invocation, 0);
    return resumed;
  }

  /** Its job was there: perhaps in the hands of a worker that had found it paused, and was about to drop it. */
  #insist(invocation: string, tried: number): void {
    const waitMs = againMs[tried];
    if (waitMs === undefined) return;
    this.#parts.clock.later(waitMs, () => {
      void this.#parts.store.load(invocation).then(async (loaded) => {
        const queued = loaded.ok ? await this.#parts.settling.enqueue(loaded.value.run) : loaded;
        if (queued.ok && !queued.value) this.#insist(invocation, tried + 1);
      });
    });
  }

  decide(standing: Standing, call: string, decision: Decision): Promise<Result<Run>> {
    return this.#want(standing, { do: 'decide', call, decision });
  }

  async #want(known: Standing, command: Command): Promise<Result<Run>> {
    const { engine, store } = this.#parts;
    const { invocation } = known.run;
    const changed = await store.change(invocation, (run) => step(run, command), known);
    if (!changed.ok) return changed;
    const { run } = changed.value;
    if (run.worker !== undefined) nudge(engine.signals, run.worker, invocation);
    return ok(run);
  }
}
