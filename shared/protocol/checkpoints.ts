import * as z from 'zod';
import { count, envelope } from './common.ts';
import { cursor, pageLimit, sessionId } from './runs.ts';
import { sessionRecord } from './sessions.ts';

export const checkpointId = z.string().regex(/^[\w-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -');
const label = z.string().max(1024);
const tag = z.string().min(1).max(128);
/** Each costs an entry in an index of its own. */
export const maxTags = 64;
const tags = z.array(tag).max(maxTags);

export const checkpointRecord = z.object({
  checkpoint: checkpointId,
  session: sessionId,
  label: label.exactOptional(),
  tags: z.array(tag),
  state: z.unknown(),
  createdAt: count,
});
export type CheckpointRecord = z.output<typeof checkpointRecord>;

/** Without a `state` it keeps the session's; with one, the session's own stays as it is. */
export const checkpointCreateRequest = z.object({
  type: z.literal('checkpoint.create'),
  ...envelope,
  session: sessionId,
  label: label.exactOptional(),
  state: z.unknown().optional(),
  tags: tags.exactOptional(),
});
export type CheckpointCreateRequest = z.output<typeof checkpointCreateRequest>;

/** Newest first. */
export const checkpointListRequest = z.object({
  type: z.literal('checkpoint.list'),
  ...envelope,
  session: sessionId,
  tag: tag.exactOptional(),
  limit: pageLimit,
  cursor: cursor.exactOptional(),
});
export type CheckpointListRequest = z.output<typeof checkpointListRequest>;
export const checkpointListResult = z.object({
  checkpoints: z.array(checkpointRecord),
  cursor: cursor.exactOptional(),
});
export type CheckpointListResult = z.output<typeof checkpointListResult>;

const ofCheckpoint = { ...envelope, checkpoint: checkpointId };

export const checkpointGetRequest = z.object({ type: z.literal('checkpoint.get'), ...ofCheckpoint });
export type CheckpointGetRequest = z.output<typeof checkpointGetRequest>;
export const checkpointResult = z.object({ checkpoint: checkpointRecord });
export type CheckpointResult = z.output<typeof checkpointResult>;

export const checkpointDeleteRequest = z.object({ type: z.literal('checkpoint.delete'), ...ofCheckpoint });
export const checkpointDeleteResult = z.object({ checkpoint: checkpointId });
export type CheckpointDeleteResult = z.output<typeof checkpointDeleteResult>;

export const checkpointRestoreRequest = z.object({ type: z.literal('checkpoint.restore'), ...ofCheckpoint });
/** The session as it is now, and the checkpoint of how it was before, by which the restore is undone. */
export const checkpointRestoreResult = z.object({ session: sessionRecord, checkpoint: checkpointRecord });
export type CheckpointRestoreResult = z.output<typeof checkpointRestoreResult>;

export const checkpointDiffRequest = z.object({
  type: z.literal('checkpoint.diff'),
  ...envelope,
  from: checkpointId,
  to: checkpointId,
});
export type CheckpointDiffRequest = z.output<typeof checkpointDiffRequest>;
/** JSON Patch, RFC 6902: what makes the state of `to` out of that of `from`. */
export const patchOperation = z.object({
  op: z.enum(['add', 'remove', 'replace', 'move', 'copy', 'test']),
  path: z.string(),
  from: z.string().exactOptional(),
  value: z.unknown().optional(),
});
export type PatchOperation = z.output<typeof patchOperation>;
export const checkpointDiffResult = z.object({ changes: z.array(patchOperation) });
export type CheckpointDiffResult = z.output<typeof checkpointDiffResult>;
