import { ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import { Held } from './holding.ts';
import type { HoldingParts } from './holding.ts';
import { persist } from './holding-retry.ts';
import { step } from './machine.ts';
import type { Step } from './machine.ts';
import { isOver } from './run.ts';
import type { Run } from './run.ts';

/** What became of a worker's claim of the run that a job names. */
export type Claimed =
  /** `takeover`: from a worker that died. */
  | { is: 'held'; held: Held; takeover: boolean }
  /** Before the claim or by it: a cancel that nobody had carried out, or one takeover too many. To be settled. */
  | { is: 'over'; run: Run }
  /** Nobody's: it is paused, or there is no such run. The job has no purpose any more. */
  | { is: 'not ours' }
  /** Another worker must do it; the record was not touched. */
  | { is: 'not here'; run: Run };

/**
 * One read and one commit, which carries the event `started` as well. While the store is away it is tried again, for as
 * long as the job is held: a claim whose outcome is unknown would count as the takeover of a dead worker's run later.
 */
export function claim(
  parts: HoldingParts,
  worker: string,
  invocation: string,
  jobLost: AbortSignal,
  here: (agent: string) => boolean,
): Promise<Result<Claimed>> {
  /** What the run's fence is if the last commit went through. */
  let fence: number | undefined;
  const isMine = (run: Run): boolean => run.worker === worker && run.fence === fence;
  const decide = (run: Run): Result<Step> => {
    if (isMine(run)) return ok({ run, events: [] });
    const next = step(run, { do: 'claim', worker, at: parts.clock.now() });
    if (next.ok) fence = next.value.run.fence;
    return next;
  };
  return persist<Claimed>(parts.clock, jobLost, async () => {
    const seen = await parts.store.loadWithInput(invocation);
    if (!seen.ok) return seen.code === 'not_found' ? ok({ is: 'not ours' }) : seen;
    const { asked, ...known } = seen.value;
    if (isOver(known.run)) return ok({ is: 'over', run: known.run });
    // To cancel it, nobody need know the agent.
    if (!known.run.cancel && !here(known.run.agent)) return ok({ is: 'not here', run: known.run });
    const claimed = await parts.store.change(invocation, decide, known);
    if (!claimed.ok) return claimed.code === 'conflict' ? ok({ is: 'not ours' }) : claimed;
    const { before, ...standing } = claimed.value;
    if (isOver(standing.run)) return ok({ is: 'over', run: standing.run });
    if (!isMine(standing.run) || jobLost.aborted) return ok({ is: 'not ours' });
    const takeover = standing.run.takeovers > before.takeovers;
    return ok({ is: 'held', held: new Held(parts, worker, standing, asked, jobLost), takeover });
  });
}
