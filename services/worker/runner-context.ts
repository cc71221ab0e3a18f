import { createHash } from 'node:crypto';
import type { Result } from '../../shared/base/errors.ts';
import type { Held } from '../../shared/domain/runs/holding.ts';
import type { Log } from '../../shared/observe/log.ts';
import { checkpointCreateRequest } from '../../shared/protocol/checkpoints.ts';
import { metadata, progress as progressSchema } from '../../shared/protocol/runs.ts';
import { mainThread } from '../../shared/protocol/sessions.ts';
import type { Message } from '../../shared/protocol/sessions.ts';
import type { AgentContext, Approval } from './agent.ts';
import { ContextError, contextErrorOf } from './runner-errors.ts';
import { agentLog } from './runner-log.ts';
import { plainCopy } from './runner-output.ts';

/** Calls of one attempt that are under way at once; an agent that does not await them gets an error instead of more. */
const mostCalls = 64;
const mostProgressBytes = 8192;
const mostMessages = 1000;

const checkpointOptions = checkpointCreateRequest.pick({ label: true, state: true, tags: true });

export interface SessionReads {
  /** Oldest first. */
  lastMessages(session: string, thread: string, limit: number): Promise<Result<readonly Message[]>>;
  stateOf(session: string): Promise<Result<unknown>>;
}

export interface Checkpoints {
  create(
    session: string,
    options: { label?: string; state?: unknown; tags?: readonly string[] },
  ): Promise<Result<{ checkpoint: string }>>;
  get(checkpoint: string): Promise<Result<{ state: unknown }>>;
}

/** What of an attempt its agent's context needs. */
export interface Attempt {
  readonly held: Held;
  readonly signal: AbortSignal;
  /** The attempt has ended, for whatever reason: nothing of it is heard any more. */
  readonly over: boolean;
  readonly maxBytes: number;
  usage: Record<string, unknown> | undefined;
  /** Waits while the run is paused. */
  standStill(): Promise<void>;
  /** Waits for the decision; gives up with the attempt. */
  decided(call: string): Promise<void>;
}

export function contextOf(
  attempt: Attempt,
  state: unknown,
  sessions: SessionReads,
  checkpoints: Checkpoints,
  log: Log,
): AgentContext {
  const { held, signal } = attempt;
  const { run, asked } = held;
  const { session, thread = mainThread } = run;
  let calls = 0;
  let approvals = 0;

  /** With its bound, silent after the end, and with nothing left behind that nobody catches. */
  const call = <T>(act: () => Promise<T>): Promise<T> => {
    const guarded = async (): Promise<T> => {
      goesOn();
      if (calls >= mostCalls) throw new ContextError('agent_error', `over ${mostCalls} calls of the context at once`);
      calls += 1;
      try {
        const value = await act();
        goesOn();
        return value;
      } finally {
        calls -= 1;
      }
    };
    const promise = guarded();
    // Whoever awaits it still gets the error. An agent that was cut off awaits nothing any more.
    promise.catch(() => {});
    return promise;
  };
  const goesOn = (): void => {
    if (attempt.over || signal.aborted) throw signal.reason;
  };

  return {
    invocation: run.invocation,
    attempt: run.attempt,
    input: asked.input,
    metadata: run.metadata,
    state,
    signal,
    session:
      session === undefined
        ? undefined
        : {
            session,
            thread,
            messages: (limit = 100) =>
              call(async () => valueOf(await sessions.lastMessages(session, thread, countOf(limit)))),
          },
    progress(progress) {
      const parsed = progressSchema.safeParse(progress);
      if (!parsed.success) throw new ContextError('bad_output', `progress: ${parsed.error.issues[0]?.message}`);
      plain('progress', parsed.data, mostProgressBytes);
      if (!attempt.over) held.report(parsed.data);
    },
    approval: ({ name, args }) =>
      call(async () => {
        if (typeof name !== 'string' || name === '') throw new ContextError('bad_output', 'a call needs a name');
        const asked = plain(`the arguments of ${name.slice(0, 100)}`, args ?? null, attempt.maxBytes);
        const id = callId(approvals++, name, asked);
        if (!Object.hasOwn(held.run.decisions, id)) {
          valueOf(await held.ask({ call: id, name, args: asked }));
          await attempt.decided(id);
        }
        goesOn();
        valueOf(await held.takeDecision(id));
        await attempt.standStill();
        return approvalOf(held, id, asked);
      }),
    checkpoint: (options = {}) =>
      call(async () => {
        if (session === undefined) throw new ContextError('no_session', 'a run without a session has no checkpoints');
        const parsed = checkpointOptions.safeParse(plain('the checkpoint', options, attempt.maxBytes));
        if (!parsed.success) throw new ContextError('bad_output', `checkpoint: ${parsed.error.issues[0]?.message}`);
        const { checkpoint } = valueOf(await checkpoints.create(session, parsed.data));
        goesOn();
        held.say({ kind: 'checkpoint', checkpoint });
        await held.room();
        return checkpoint;
      }),
    pausePoint: () => call(() => attempt.standStill()),
    usage(usage) {
      const parsed = metadata.safeParse(plain('usage', usage, attempt.maxBytes));
      if (!parsed.success) throw new ContextError('bad_output', 'usage must be an object');
      attempt.usage = parsed.data;
    },
    log: agentLog(log, () => !attempt.over),
  };
}

function valueOf<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw contextErrorOf(result);
}

function plain(what: string, value: unknown, maxBytes: number): unknown {
  const copy = plainCopy(value, maxBytes);
  if (!copy.ok) throw new ContextError('bad_output', `${what}: ${copy.message}`);
  return copy.value;
}

function countOf(limit: number): number {
  return Math.min(mostMessages, Math.max(1, Math.floor(limit) || 1));
}

/**
 * The same call of a later attempt gets the same id, and with it the decision that was made; one with other arguments
 * is another call. The number tells two equal ones apart.
 */
function callId(number: number, name: string, args: unknown): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([number, name, args]))
    .digest('base64url');
  return `${number}-${hash.slice(0, 22)}`;
}

function approvalOf(held: Held, call: string, args: unknown): Approval {
  const decision = held.run.decisions[call];
  if (!decision) throw new ContextError('agent_error', 'the decision is gone');
  return {
    approved: decision.decision === 'approve',
    ...(decision.note === undefined ? {} : { note: decision.note }),
    args: decision.input === undefined ? args : decision.input,
  };
}
