import { newId } from '../../base/ids.ts';
import type { PendingCall, Progress, RunError, RunRecord, RunState } from '../../protocol/runs.ts';

/** What somebody decided of one call. It outlives the attempt in which it was asked for. */
export interface Decision {
  readonly decision: 'approve' | 'reject';
  readonly note?: string;
  /** The arguments as they were edited; `undefined` where they were left as they are. */
  readonly input?: unknown;
}

/** A run as the store keeps it: what clients see of it, and what the broker needs besides. */
export interface Run {
  readonly invocation: string;
  readonly agent: string;
  /** The identity that started it, and that it belongs to. */
  readonly owner: string;
  readonly session?: string;
  readonly thread?: string;
  /** Of which the agent gets the state to begin with. */
  readonly checkpoint?: string;
  readonly state: RunState;
  /** How often it was begun. */
  readonly attempt: number;
  /** Raised whenever it changes hands: the log refuses what a former holder still appends. */
  readonly fence: number;
  /** Who holds it. Nobody while it waits on the queue, and while it is paused without being in anybody's memory. */
  readonly worker?: string;
  /** Times that it was taken from a worker that died. */
  readonly takeovers: number;
  /** Times that its agent failed and asked to be begun again. */
  readonly retries: number;
  readonly priority: number;
  readonly timeoutMs: number;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly progress?: Progress;
  /** `attempt`: in which it was asked for; one of an attempt before stays until this one asks for something. */
  readonly pending: readonly (PendingCall & { readonly attempt: number })[];
  readonly decisions: Readonly<Record<string, Decision>>;
  /** Of decisions that an agent was given: in which attempt, the last time. */
  readonly taken?: Readonly<Record<string, number>>;
  readonly cancel?: { readonly reason: string };
  /** Somebody asked for a pause, and nobody has asked to go on. */
  readonly pauseRequested?: true;
  readonly result?: unknown;
  readonly error?: RunError;
  readonly usage?: Record<string, unknown>;
  readonly metadata: Record<string, unknown>;
  /** The traceparent of the request that started it, where that is recorded. */
  readonly trace?: string;
  /** Where clients are told apart: what it makes is its owner's alone. */
  readonly private?: true;
}

/** Of the version that no library makes, as those that follow from a key: so its topics are known by their names (isSystemWritten). */
export function newInvocation(): string {
  const id = newId();
  return `${id.slice(0, 14)}8${id.slice(15)}`;
}

export function isOver(run: Run): boolean {
  return run.state === 'completed' || run.state === 'cancelled' || run.state === 'failed';
}

export function topicOf(invocation: string): string {
  return `run.${invocation}`;
}

/** What clients see. */
export function recordOf(run: Run): RunRecord {
  const { invocation, agent, session, state, attempt, priority, createdAt, startedAt, endedAt, metadata } = run;
  return {
    invocation,
    agent,
    ...(session === undefined ? {} : { session }),
    state,
    attempt,
    priority,
    ...(run.progress === undefined ? {} : { progress: run.progress }),
    createdAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(run.cancel === undefined ? {} : { cancelRequested: true }),
    ...(run.cancel?.reason ? { reason: run.cancel.reason } : {}),
    pending: run.pending.map(({ call, name, args }) => ({ call, name, args })),
    ...(run.result === undefined ? {} : { result: run.result }),
    ...(run.error === undefined ? {} : { error: run.error }),
    ...(run.usage === undefined ? {} : { usage: run.usage }),
    metadata,
  };
}
