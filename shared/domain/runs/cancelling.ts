import type { Clock } from '../../base/clock.ts';
import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { Engine } from '../../engine/engine.ts';
import { step } from './machine.ts';
import { isOver } from './run.ts';
import type { Run } from './run.ts';
import { nudge } from './run-signals.ts';
import type { RunStore, Standing } from './run-store.ts';

export interface CancellingParts {
  readonly engine: Pick<Engine, 'signals' | 'queue'>;
  readonly store: RunStore;
  readonly clock: Clock;
}

/**
 * The wish goes on the record first, and to the worker then. Where nobody held the run that was its end, and whoever
 * called is to settle it.
 */
export async function cancelRun(
  { engine, store, clock }: CancellingParts,
  invocation: string,
  reason: string,
  known?: Standing,
): Promise<Result<Run>> {
  const decide = (run: Run): ReturnType<typeof step> => step(run, { do: 'cancel', reason, at: clock.now() });
  const changed = await store.change(invocation, decide, known);
  if (!changed.ok) return changed;
  const { run } = changed.value;
  if (run.worker !== undefined) nudge(engine.signals, run.worker, invocation);
  // A job that stays is dropped by the worker that gets it.
  if (isOver(run)) await engine.queue('runs').remove(invocation);
  return ok(run);
}
