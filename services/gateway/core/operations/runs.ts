import { must } from '../../../../shared/base/assert.ts';
import { ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import { recordOf } from '../../../../shared/domain/runs/run.ts';
import type { RunsRequest, RunsResult, StatusResult } from '../../../../shared/protocol/runs.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';
import { howManyFit, sizeAsJson } from './answer-size.ts';

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
  const page = await broker.runs.list(must(caller.identity), input);
  if (!page.ok) return page;
  const limit = howManyFit(page.value.runs, sizeAsJson);
  // Where a page that ends there is gone on from, only the list knows.
  if (limit < page.value.runs.length) return runs(broker, caller, { ...input, limit });
  const { cursor } = page.value;
  return ok({ invocations: page.value.runs.map(recordOf), ...(cursor === undefined ? {} : { cursor }) });
}
