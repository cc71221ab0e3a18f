import * as z from 'zod';
import { frameReader } from '../../../../shared/protocol/frame-reader.ts';
import { agentName, invocationId, sessionId } from '../../../../shared/protocol/runs.ts';
import type { RunState } from '../../../../shared/protocol/runs.ts';
import { encodeJson } from '../../../../shared/wire/json.ts';

const part = z.object({ text: z.string() });
const parts = z.array(part).refine((all) => all.some(({ text }) => /\S/.test(text)), 'nothing is said');
const newMessage = z.object({ parts });

const ofRun = { sessionId: sessionId.exactOptional(), invocationId };

/** What clients say. The id of the session stands in the path already; a frame may say it again, or leave it out. */
export const frames = {
  run: z.object({
    type: z.literal('run'),
    sessionId: sessionId.exactOptional(),
    newMessage,
    agent: agentName.exactOptional(),
  }),
  cancel: z.object({ type: z.literal('cancel'), ...ofRun }),
  status: z.object({ type: z.literal('status'), ...ofRun }),
  attach: z.object({ type: z.literal('attach'), ...ofRun }),
} as const;
export const readFrame = frameReader(frames);
/** Over HTTP nothing else can be said, and a body needs no type. */
export const readRun = frameReader({ run: frames.run });
export type RunFrame = z.output<typeof frames.run>;

export function startedFrame(invocation: string, session: string): Uint8Array {
  return encodeJson({ type: 'started', invocationId: invocation, sessionId: session });
}

export function statusFrame(invocation: string, status: RunState): Uint8Array {
  return encodeJson({ type: 'status', invocationId: invocation, status });
}

export function endedFrame(type: 'completed' | 'cancelled', invocation: string): Uint8Array {
  return encodeJson({ type, invocationId: invocation });
}

export function errorFrame(message: string, invocation: string | undefined): Uint8Array {
  return encodeJson({ type: 'error', message, ...(invocation === undefined ? {} : { invocationId: invocation }) });
}
