import * as z from 'zod';
import { count, envelope, topicName } from './common.ts';

/** The end of a topic `run.<id>`, so of the same letters as a segment. */
export const invocationId = z.string().min(1).max(64);
/** As a segment of a topic, since `agent.<name>.status` is one. */
export const agentName = z.string().regex(/^[\w-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -');
/** Chosen by the client: the same one means the same run. */
const runKey = z.string().min(1).max(256);
const callId = z.string().min(1).max(128);
export const sessionId = z.string().regex(/^[\w-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -');
export const metadata = z.record(z.string(), z.unknown());

/** In the order of a life: queued, then running with pauses and waits, then one of the last three for good. */
export const runStates = [
  'queued',
  'running',
  'paused',
  'waiting_approval',
  'completed',
  'cancelled',
  'failed',
] as const;
export const runState = z.enum(runStates);
export type RunState = z.output<typeof runState>;

export const progress = z.object({
  percent: z.number().min(0).max(100).exactOptional(),
  step: z.string().exactOptional(),
  etaMs: z.number().min(0).exactOptional(),
  note: z.string().exactOptional(),
});
export type Progress = z.output<typeof progress>;

export const pendingCall = z.object({ call: callId, name: z.string(), args: z.unknown() });
export type PendingCall = z.output<typeof pendingCall>;

/** Why a run failed. The codes are of agents and of the broker, and more may come: a client shows them, and acts on those it knows. */
export const runError = z.object({ code: z.string(), message: z.string() });
export type RunError = z.output<typeof runError>;

export const runRecord = z.object({
  invocation: invocationId,
  agent: agentName,
  session: sessionId.exactOptional(),
  state: runState,
  /** How often it was begun; 0 while it waits for the first time. */
  attempt: count,
  priority: z.int().min(0).max(9),
  progress: progress.exactOptional(),
  createdAt: count,
  startedAt: count.exactOptional(),
  endedAt: count.exactOptional(),
  cancelRequested: z.boolean().exactOptional(),
  /** Of the cancel, where one was given. The event that ends the run has it as well, but is not kept for as long. */
  reason: z.string().exactOptional(),
  /** Calls that wait for a decision. */
  pending: z.array(pendingCall),
  result: z.unknown().optional(),
  error: runError.exactOptional(),
  usage: z.record(z.string(), z.unknown()).exactOptional(),
  metadata,
});
export type RunRecord = z.output<typeof runRecord>;

/** `input` may be null but not absent. */
export const runRequest = z.object({
  type: z.literal('run'),
  ...envelope,
  agent: agentName,
  input: z.unknown(),
  session: sessionId.exactOptional(),
  key: runKey.exactOptional(),
  priority: z.int().min(0).max(9).exactOptional(),
  timeoutMs: z.int().min(1).max(2_000_000_000).exactOptional(),
  whenBusy: z.enum(['enqueue', 'reject', 'interrupt']).exactOptional(),
  checkpoint: z.string().min(1).max(64).exactOptional(),
  metadata: metadata.exactOptional(),
  attach: z.boolean().exactOptional(),
});
export type RunRequest = z.output<typeof runRequest>;

/** `duplicate`: the key is that of a run which was started before, and this is that run. */
export const runResult = z.object({
  invocation: invocationId,
  topic: topicName,
  state: runState,
  duplicate: z.boolean().exactOptional(),
});
export type RunResult = z.output<typeof runResult>;

export const attachRequest = z.object({
  type: z.literal('attach'),
  ...envelope,
  invocation: invocationId,
  after: count.exactOptional(),
});
export type AttachRequest = z.output<typeof attachRequest>;
export const attachResult = z.object({ invocation: invocationId, topic: topicName, state: runState });
export type AttachResult = z.output<typeof attachResult>;

const ofRun = { ...envelope, invocation: invocationId };

export const cancelRequest = z.object({
  type: z.literal('cancel'),
  ...ofRun,
  reason: z.string().max(1024).exactOptional(),
});
export type CancelRequest = z.output<typeof cancelRequest>;
export const statusRequest = z.object({ type: z.literal('status'), ...ofRun });
export const pauseRequest = z.object({ type: z.literal('pause'), ...ofRun });
export const resumeRequest = z.object({ type: z.literal('resume'), ...ofRun });

/** What `cancel`, `pause` and `resume` answer: the state as it was when the intent was on the record. */
export const controlResult = z.object({ invocation: invocationId, state: runState });
export type ControlResult = z.output<typeof controlResult>;
export const statusResult = z.object({ invocation: runRecord });
export type StatusResult = z.output<typeof statusResult>;

export const approveRequest = z.object({
  type: z.literal('approve'),
  ...ofRun,
  call: callId,
  decision: z.enum(['approve', 'reject']),
  note: z.string().max(4096).exactOptional(),
  /** The arguments as the one who approves wants them. */
  input: z.unknown().optional(),
});
export type ApproveRequest = z.output<typeof approveRequest>;
export const approveResult = z.object({ invocation: invocationId, call: callId });
export type ApproveResult = z.output<typeof approveResult>;

/** Of a list: where the page before ended. */
export const cursor = z.string().min(1).max(512);
export const pageLimit = z.int().min(1).max(1000).default(100);

/** Newest first. */
export const runsRequest = z.object({
  type: z.literal('runs'),
  ...envelope,
  session: sessionId.exactOptional(),
  state: runState.exactOptional(),
  limit: pageLimit,
  cursor: cursor.exactOptional(),
});
export type RunsRequest = z.output<typeof runsRequest>;
export const runsResult = z.object({ invocations: z.array(runRecord), cursor: cursor.exactOptional() });
export type RunsResult = z.output<typeof runsResult>;
