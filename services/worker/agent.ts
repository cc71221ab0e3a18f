import type { RunEvent } from '../../shared/protocol/run-events.ts';
import type { Progress } from '../../shared/protocol/runs.ts';
import type { Message } from '../../shared/protocol/sessions.ts';

/**
 * What a module of AGENTWIRE_AGENTS exports, as its default: one of these or an array of them.
 *
 * A run may be begun again from the beginning, on another worker, when the one that had it died or stopped; `attempt`
 * says so, and decisions that were made are given back by `approval`. Several runs go on in one process: an agent that
 * computes for long without awaiting anything holds up all of them.
 */
export interface Agent {
  /** 1 to 64 of A-Z a-z 0-9 _ - */
  readonly name: string;
  readonly description: string;
  /**
   * Each value that it yields becomes an event of the run, in this order; a string is a chunk of text. What it returns is
   * the result; where it returns nothing, the chunks joined are. It is not asked for the next value while the run is
   * paused, or while too much of what it yielded is still on its way. What it throws fails the run (see AgentError).
   */
  run(context: AgentContext): AsyncGenerator<AgentOutput, unknown, void>;
}

export type AgentOutput = string | Extract<RunEvent, { kind: 'chunk' | 'message' | 'tool_call' | 'tool_result' }>;

/** What the broker reads of an error that an agent throws; every field may be missing, and any class will do. */
export interface AgentError {
  readonly message: string;
  /** Goes into the record and to clients; `agent_error` where there is none. */
  readonly code?: string;
  /** Begin again, after a while that grows, up to five times: a passing fault of somebody else's. */
  readonly retryable?: boolean;
}

export interface AgentContext {
  readonly invocation: string;
  /** 1 for the first time. */
  readonly attempt: number;
  readonly input: unknown;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** None for a run without a session. */
  readonly session: AgentSession | undefined;
  /** The checkpoint's state that the run was started from, else the session's, else null. */
  readonly state: unknown;
  /**
   * Aborted when the run is cancelled, is out of time, or is not this worker's any more, and when it has ended. An agent
   * that goes on all the same is cut off after a moment, and what it yields from then on reaches nobody.
   */
  readonly signal: AbortSignal;
  /** How far it is: an event of the run, and kept in its record. Said often, the last one of a moment counts. */
  readonly progress: (progress: Progress) => void;
  /** Waits for somebody's decision, for days if need be. The same call asked for by a later attempt gets the decision that was made. */
  readonly approval: (call: { name: string; args: unknown }) => Promise<Approval>;
  /** A checkpoint of the session; gives back its id. Throws for a run without a session. */
  readonly checkpoint: (options?: { label?: string; state?: unknown; tags?: readonly string[] }) => Promise<string>;
  /** Waits here while the run is paused. Between two yields that are near each other there is no need of it. */
  readonly pausePoint: () => Promise<void>;
  /** What it used up, for the record: tokens, calls. The last word counts. */
  readonly usage: (usage: Readonly<Record<string, unknown>>) => void;
  readonly log: AgentLog;
}

export interface AgentSession {
  readonly session: string;
  /** The thread that this run belongs to. */
  readonly thread: string;
  /** Of the thread, oldest first, without the one that this run was started with. At most the last `limit` (100). */
  messages(limit?: number): Promise<readonly Message[]>;
}

export interface Approval {
  readonly approved: boolean;
  readonly note?: string;
  /** As they were edited by whoever approved, else as they were asked for. */
  readonly args: unknown;
}

/** Lines with the run's id on them. */
export interface AgentLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
