import * as z from 'zod';
import { fail } from '../../../../shared/base/errors.ts';
import type { Failure, Result } from '../../../../shared/base/errors.ts';
import { checkpointCreateRequest } from '../../../../shared/protocol/checkpoints.ts';
import type { CheckpointRecord } from '../../../../shared/protocol/checkpoints.ts';
import { isMap } from '../../../../shared/protocol/common.ts';
import type { RequestId } from '../../../../shared/protocol/common.ts';
import { frameReader } from '../../../../shared/protocol/frame-reader.ts';
import type { FrameOf } from '../../../../shared/protocol/frame-reader.ts';
import { requestIdOf } from '../../../../shared/protocol/requests.ts';
import { sessionId } from '../../../../shared/protocol/runs.ts';
import { sessionCreateRequest } from '../../../../shared/protocol/sessions.ts';
import { encodeJson } from '../../../../shared/wire/json.ts';

const { label, state, tags } = checkpointCreateRequest.shape;

/** As many as a session keeps, unless it was set up to keep more. */
const mostListed = 10_000;

/** What clients ask for: each method, with its params. */
export const methods = {
  authenticate: z.object({ type: z.literal('authenticate'), token: z.string() }),
  create_session: z.object({ type: z.literal('create_session'), name: sessionCreateRequest.shape.name.unwrap() }),
  checkpoint: z.object({ type: z.literal('checkpoint'), session_id: sessionId, message: label, state, tags }),
  list_checkpoints: z.object({
    type: z.literal('list_checkpoints'),
    session_id: sessionId,
    limit: z.int().min(1).max(mostListed).default(1000),
  }),
  subscribe: z.object({ type: z.literal('subscribe'), session_id: sessionId }),
  metrics: z.object({ type: z.literal('metrics') }),
} as const;
const readCall = frameReader(methods);

export type Call = FrameOf<typeof methods>;
export type CallOf<T extends Call['type']> = Extract<Call, { type: T }>;

const notMap = fail('bad_frame', 'a message must be a map');
const noMethod = fail('bad_frame', 'a message must have a method, which is a string');
const badParams = fail('bad_request', 'params must be a map');
const unknownMethod = fail('unknown_type', 'there is no method of this name');

export function readCommand(message: unknown): Result<Call> {
  if (!isMap(message)) return notMap;
  const { method, params } = message;
  if (typeof method !== 'string') return noMethod;
  if (!Object.hasOwn(methods, method)) return unknownMethod;
  if (!isMap(params ?? {})) return badParams;
  return readCall({ ...(params as object), type: method });
}

/** What is given back of a message's id, however bad the rest of it is. */
export function idOf(message: unknown): RequestId | null {
  return requestIdOf(message) ?? null;
}

export function resultFrame(id: RequestId | null, result: unknown): Uint8Array {
  return encodeJson({ id, success: true, result });
}

export function errorFrame(id: RequestId | null, { message }: Failure): Uint8Array {
  return encodeJson({ id, success: false, error: message });
}

export function eventFrame(type: string, data: object): Uint8Array {
  return encodeJson({ event_type: type, data });
}

export interface Listed {
  readonly checkpoint_id: string;
  readonly session_id: string;
  readonly message: string;
  readonly timestamp: string;
  readonly tags: readonly string[];
}

export function listed(record: CheckpointRecord): Listed {
  return {
    checkpoint_id: record.checkpoint,
    session_id: record.session,
    message: record.label ?? '',
    timestamp: timestampOf(record.createdAt),
    tags: record.tags,
  };
}

/** Times are texts here: every language reads this form, and so does a person. */
export function timestampOf(ms: number): string {
  return new Date(ms).toISOString();
}
