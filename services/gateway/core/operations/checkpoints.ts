import { must } from '../../../../shared/base/assert.ts';
import { ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import type {
  CheckpointCreateRequest,
  CheckpointDeleteResult,
  CheckpointDiffRequest,
  CheckpointDiffResult,
  CheckpointGetRequest,
  CheckpointListRequest,
  CheckpointListResult,
  CheckpointRecord,
  CheckpointRestoreResult,
  CheckpointResult,
} from '../../../../shared/protocol/checkpoints.ts';
import type { Broker } from '../broker.ts';
import type { Caller } from '../caller.ts';

type OfCheckpoint = Pick<CheckpointGetRequest, 'checkpoint'>;

export async function createCheckpoint(
  { checkpoints }: Broker,
  caller: Caller,
  input: Pick<CheckpointCreateRequest, 'session' | 'label' | 'state' | 'tags'>,
): Promise<Result<CheckpointResult>> {
  return asResult(await checkpoints.create(must(caller.identity), input));
}

export async function getCheckpoint(
  { checkpoints }: Broker,
  caller: Caller,
  { checkpoint }: OfCheckpoint,
): Promise<Result<CheckpointResult>> {
  return asResult(await checkpoints.get(must(caller.identity), checkpoint));
}

/** Newest first. A page is no longer than an answer may be. `stateless` is for dialects that show no states. */
export function listCheckpoints(
  { checkpoints }: Broker,
  caller: Caller,
  input: Pick<CheckpointListRequest, 'session' | 'tag' | 'limit' | 'cursor'> & { stateless?: true },
): Promise<Result<CheckpointListResult>> {
  return checkpoints.list(must(caller.identity), input);
}

export async function deleteCheckpoint(
  { checkpoints }: Broker,
  caller: Caller,
  { checkpoint }: OfCheckpoint,
): Promise<Result<CheckpointDeleteResult>> {
  const deleted = await checkpoints.delete(must(caller.identity), checkpoint);
  return deleted.ok ? ok({ checkpoint }) : deleted;
}

export function restoreCheckpoint(
  { checkpoints }: Broker,
  caller: Caller,
  { checkpoint }: OfCheckpoint,
): Promise<Result<CheckpointRestoreResult>> {
  return checkpoints.restore(must(caller.identity), checkpoint);
}

export async function diffCheckpoints(
  { checkpoints }: Broker,
  caller: Caller,
  { from, to }: Pick<CheckpointDiffRequest, 'from' | 'to'>,
): Promise<Result<CheckpointDiffResult>> {
  const changes = await checkpoints.diff(must(caller.identity), from, to);
  return changes.ok ? ok({ changes: changes.value }) : changes;
}

function asResult(found: Result<CheckpointRecord>): Result<CheckpointResult> {
  return found.ok ? ok({ checkpoint: found.value }) : found;
}
