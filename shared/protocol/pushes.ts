import * as z from 'zod';
import { errorTable } from '../base/errors.ts';
import type { ErrorCode, Failure } from '../base/errors.ts';
import { count, messageId, requestId, topicName } from './common.ts';
import type { RequestId } from './common.ts';

/** `seq` 0 and no `epoch`: an ephemeral event. */
export const eventFields = {
  topic: topicName,
  seq: count,
  epoch: z.string().exactOptional(),
  ts: count,
  data: z.unknown(),
  messageId: messageId.exactOptional(),
  /** Of an event whose way here is recorded: the span to go on from. */
  traceparent: z.string().exactOptional(),
};

export const eventFrame = z.object({ type: z.literal('event'), ...eventFields });
export type EventFrame = z.output<typeof eventFrame>;

/** A hole, announced: the client was too slow, or the numbering changed under it. */
export const droppedFrame = z.union([
  z.object({ type: z.literal('dropped'), topic: topicName, from: count, to: count, count }),
  z.object({ type: z.literal('dropped'), topic: topicName, epoch: z.string(), reason: z.literal('epoch') }),
]);
export type DroppedFrame = z.output<typeof droppedFrame>;

export const goawayFrame = z.object({ type: z.literal('goaway'), reason: z.string(), reconnectAfterMs: count });
export type GoawayFrame = z.output<typeof goawayFrame>;

export const okFrame = z.object({ type: z.literal('ok'), id: requestId, result: z.unknown() });
export type OkFrame = z.output<typeof okFrame>;

const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];

export const errorFrame = z.object({
  type: z.literal('error'),
  id: requestId.exactOptional(),
  error: z.object({
    code: z.enum(errorCodes),
    message: z.string(),
    retryable: z.boolean(),
    details: z.unknown().exactOptional(),
  }),
});
export type ErrorFrame = z.output<typeof errorFrame>;

export function makeOk(id: RequestId, result: unknown): OkFrame {
  return { type: 'ok', id, result };
}

/** Says nothing of the cause of an `internal` error: what a fault of ours looks like inside is not for the outside. */
export function makeError(failure: Failure, id?: RequestId): ErrorFrame {
  const { code } = failure;
  const { retryable, says } = errorTable[code];
  const inner = code === 'internal';
  const error: ErrorFrame['error'] = { code, message: inner ? says : failure.message, retryable };
  if (!inner && failure.details !== undefined) error.details = failure.details;
  return id === undefined ? { type: 'error', error } : { type: 'error', id, error };
}
