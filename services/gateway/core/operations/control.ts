import { must } from '../../../../shared/base/assert.ts';
import { ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import type { Run } from '../../../../shared/domain/runs/run.ts';
import type { ApproveRequest, ApproveResult, CancelRequest, ControlResult } from '../../../../shared/protocol/runs.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';

type OfRun = Pick<CancelRequest, 'invocation'>;

export async function cancel(
  { runs }: Broker,
  caller: Caller,
  { invocation, reason }: Pick<CancelRequest, 'invocation' | 'reason'>,
): Promise<Result<ControlResult>> {
  return stateOf(await runs.cancel(must(caller.identity), invocation, reason));
}

export async function pause({ runs }: Broker, caller: Caller, { invocation }: OfRun): Promise<Result<ControlResult>> {
  return stateOf(await runs.pause(must(caller.identity), invocation));
}

export async function resume({ runs }: Broker, caller: Caller, { invocation }: OfRun): Promise<Result<ControlResult>> {
  return stateOf(await runs.resume(must(caller.identity), invocation));
}

export async function approve(
  { runs }: Broker,
  caller: Caller,
  input: Pick<ApproveRequest, 'invocation' | 'call' | 'decision' | 'note' | 'input'>,
): Promise<Result<ApproveResult>> {
  const { invocation, call, decision, note } = input;
  const decided = await runs.approve(must(caller.identity), invocation, call, {
    decision,
    ...(note === undefined ? {} : { note }),
    // Arguments that were edited to `null` are something else than those left as they are.
    ...(input.input === undefined ? {} : { input: input.input }),
  });
  return decided.ok ? ok({ invocation, call }) : decided;
}

/** As it is once the wish is on the record: whoever holds the run still has to act on it. */
function stateOf(changed: Result<Run>): Result<ControlResult> {
  return changed.ok ? ok({ invocation: changed.value.invocation, state: changed.value.state }) : changed;
}
