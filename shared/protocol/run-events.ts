import * as z from 'zod';
import { pendingCall, progress, runError } from './runs.ts';

const attempt = z.int().min(1);
const decided = { call: z.string(), note: z.string().exactOptional() };

/**
 * The `data` of the events on `run.<invocation>`. `kind` is written first, so that whoever passes the bytes on can tell
 * an end without parsing them. Exactly one of the last three ends a run, and nothing comes after it.
 */
export const runEvents = {
  queued: z.object({ kind: z.literal('queued') }),
  /** An attempt above 1 voids the chunks before it: the agent begins again. */
  started: z.object({ kind: z.literal('started'), attempt }),
  chunk: z.object({ kind: z.literal('chunk'), text: z.string() }),
  message: z.object({ kind: z.literal('message'), role: z.string(), content: z.unknown() }),
  tool_call: z.object({ kind: z.literal('tool_call'), ...pendingCall.shape }),
  tool_result: z.object({ kind: z.literal('tool_result'), call: z.string(), result: z.unknown() }),
  approval_required: z.object({ kind: z.literal('approval_required'), ...pendingCall.shape }),
  approved: z.object({ kind: z.literal('approved'), ...decided }),
  rejected: z.object({ kind: z.literal('rejected'), ...decided }),
  progress: z.object({ kind: z.literal('progress'), ...progress.shape }),
  paused: z.object({ kind: z.literal('paused') }),
  resumed: z.object({ kind: z.literal('resumed') }),
  checkpoint: z.object({ kind: z.literal('checkpoint'), checkpoint: z.string() }),
  completed: z.object({ kind: z.literal('completed'), result: z.unknown() }),
  cancelled: z.object({ kind: z.literal('cancelled'), reason: z.string() }),
  failed: z.object({ kind: z.literal('failed'), error: runError }),
} as const;

export type RunEventKind = keyof typeof runEvents;
export type RunEvent = { [K in RunEventKind]: z.output<(typeof runEvents)[K]> }[RunEventKind];
export type RunEnd = Extract<RunEvent, { kind: 'completed' | 'cancelled' | 'failed' }>;

export const runEnds: ReadonlySet<string> = new Set<RunEnd['kind']>(['completed', 'cancelled', 'failed']);
