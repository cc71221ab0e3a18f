import { must } from '../../../../shared/base/assert.ts';
import { ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import { recordOf } from '../../../../shared/domain/runs/run.ts';
import type { RunsRequest, RunsResult, StatusResult } from '../../../../shared/protocol/runs.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';
import { fittingPage } from './answer-size.ts';

export async function status(
  broker: Broker,
  caller: Caller,
  { invocation }: { invocation: string },
): Promise<Result<StatusResult>> {
  const found = await broker.runs.status(must(caller.identity), invocation);
  return found.ok ? ok({ invocation: recordOf(found.value) }) : found;
}

/** Those that the caller may see, newest first. */
export async function runs(
  broker: Broker,
  caller: Caller,
  input: Pick<RunsRequest, 'session' | 'state' | 'limit' | 'cursor'>,
): Promise<Result<RunsResult>> {
  const page = await fittingPage(
    input.limit,
    (limit) => broker.runs.list(must(caller.identity), { ...input, limit }),
    (read) => read.runs,
  );
  if (!page.ok) return page;
  const { runs: found, cursor } = page.value;
  return ok({ invocations: found.map(recordOf), ...(cursor === undefined ? {} : { cursor }) });
}
