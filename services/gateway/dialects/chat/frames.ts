import * as z from 'zod';
import { frameReader } from '../../../../shared/protocol/frame-reader.ts';
import { invocationId, sessionId } from '../../../../shared/protocol/runs.ts';
import { thread } from '../../../../shared/protocol/sessions.ts';
import { encodeJson } from '../../../../shared/wire/json.ts';

/** The id of the session is the one that the connection was greeted with; a frame may leave it out. */
const session = { sessionId: sessionId.exactOptional() };

export const frames = {
  user_message: z.object({
    type: z.literal('user_message'),
    ...session,
    content: z.string().regex(/\S/, 'nothing is said'),
    thread: thread.exactOptional(),
  }),
  cancel: z.object({ type: z.literal('cancel'), ...session, invocationId: invocationId.exactOptional() }),
} as const;
export const readFrame = frameReader(frames);

type Said = 'connection_established' | 'stream_start' | 'stream_chunk' | 'stream_end';

export function chatFrame(type: Said, session: string, content: string): Uint8Array {
  return encodeJson({ type, sessionId: session, content });
}

export function errorFrame(session: string, error: string): Uint8Array {
  return encodeJson({ type: 'error', sessionId: session, error });
}
