import { fail, ok } from '../../base/errors.ts';
import type { Result } from '../../base/errors.ts';
import type { RunEnd, RunEvent } from '../../protocol/run-events.ts';
import type { PendingCall, Progress } from '../../protocol/runs.ts';
import { isOver } from './run.ts';
import type { Decision, Run } from './run.ts';

/** After so many the run is given up: what kills its worker again and again is most likely the run. */
export const maxTakeovers = 5;
export const maxRetries = 5;

/** The record after a step and the events that tell of it; both are committed together or not at all. */
export interface Step {
  readonly run: Run;
  readonly events: readonly RunEvent[];
}

/**
 * Everything that can happen to a run. The first group is asked for by clients, at any time and on any gateway. The
 * second is said by the worker that holds it: a worker that finds itself no longer named there has lost the run, and is
 * refused with `conflict`. The last is the sweeper's.
 */
export type Command =
  | { do: 'cancel'; reason: string; at: number }
  | { do: 'pause' }
  | { do: 'resume' }
  | { do: 'decide'; call: string; decision: Decision }
  | { do: 'claim'; worker: string; at: number }
  | { do: 'hold still'; worker: string }
  | { do: 'go on'; worker: string }
  | { do: 'ask'; worker: string; call: PendingCall }
  | { do: 'take decision'; worker: string; call: string }
  | { do: 'report'; worker: string; progress: Progress }
  | { do: 'hand back'; worker: string }
  | { do: 'try again'; worker: string; error: { code: string; message: string }; at: number }
  | { do: 'end'; worker: string; end: RunEnd; usage?: Record<string, unknown>; at: number }
  | { do: 'give up'; error: { code: string; message: string }; at: number };

/** The life of a run as a pure function. A step without a change gives back the very same run and no events. */
export function step(run: Run, command: Command): Result<Step> {
  if (isOver(run)) return fail('conflict', `the run has ended: ${run.state}`);
  if (command.do !== 'claim' && 'worker' in command && run.worker !== command.worker) {
    return fail('conflict', 'the run is in other hands');
  }
  switch (command.do) {
    case 'cancel':
      return cancel(run, command.reason, command.at);
    case 'pause':
      return pause(run);
    case 'resume':
      return resume(run);
    case 'decide':
      return decide(run, command.call, command.decision);
    case 'claim':
      return claim(run, command.worker, command.at);
    case 'hold still':
      return run.state === 'running' && run.pauseRequested
        ? took({ ...run, state: 'paused' }, { kind: 'paused' })
        : unchanged(run);
    case 'go on':
      return run.state === 'paused' && !run.pauseRequested
        ? took({ ...run, state: waits(run) ? 'waiting_approval' : 'running' }, { kind: 'resumed' })
        : unchanged(run);
    case 'ask':
      return ask(run, command.call);
    case 'take decision':
      return takeDecision(run, command.call);
    case 'report':
      return took({ ...run, progress: command.progress });
    case 'hand back':
      return back(run);
    case 'try again':
      if (run.cancel || run.retries >= maxRetries)
        return end(run, { kind: 'failed', error: command.error }, command.at);
      return back({ ...run, retries: run.retries + 1 });
    case 'end':
      return end(run, command.end, command.at, command.usage);
    case 'give up':
      return end({ ...run, fence: run.fence + 1 }, { kind: 'failed', error: command.error }, command.at);
  }
}

function cancel(run: Run, reason: string, at: number): Result<Step> {
  if (run.cancel) return unchanged(run);
  const wanted = { ...run, cancel: { reason } };
  // Whoever holds it ends it; where nobody does, nobody else would.
  return run.worker === undefined ? end(wanted, { kind: 'cancelled', reason }, at) : took(wanted);
}

function pause(run: Run): Result<Step> {
  // One that is cancelled and waits for its end must not be kept from it.
  if (run.pauseRequested || run.cancel) return unchanged(run);
  const wanted: Run = { ...run, pauseRequested: true };
  return run.worker === undefined ? took({ ...wanted, state: 'paused' }, { kind: 'paused' }) : took(wanted);
}

function resume(run: Run): Result<Step> {
  if (!run.pauseRequested) {
    // Asked twice, before the worker has gone on.
    return run.state === 'paused' ? unchanged(run) : fail('conflict', 'the run is not paused');
  }
  const { pauseRequested: _, ...wanted } = run;
  return run.worker === undefined ? took({ ...wanted, state: 'queued' }, { kind: 'resumed' }) : took(wanted);
}

function decide(run: Run, call: string, decision: Decision): Result<Step> {
  if (Object.hasOwn(run.decisions, call)) return fail('conflict', 'the call was decided already');
  if (!run.pending.some((one) => one.call === call)) return fail('not_found', 'the run does not wait for this call');
  const pending = run.pending.filter((one) => one.call !== call);
  return took({ ...run, pending, decisions: { ...run.decisions, [call]: decision } });
}

/** A worker got the job. It holds the run afterwards if it is named in it, and drops the job if not. */
function claim(run: Run, worker: string, at: number): Result<Step> {
  const { worker: former, ...free } = run;
  const fence = run.fence + 1;
  const takeovers = former === undefined ? run.takeovers : run.takeovers + 1;
  const taken = { ...free, fence, takeovers };
  if (run.cancel) return end(taken, { kind: 'cancelled', reason: run.cancel.reason }, at);
  // Nothing is lost by a paused run's worker but what was in its memory: whoever asks to go on puts it on the queue.
  if (run.state === 'paused' && run.pauseRequested) return took({ ...taken, takeovers: run.takeovers });
  if (takeovers > maxTakeovers) {
    return end(taken, { kind: 'failed', error: { code: 'worker_lost', message: 'too many workers died of it' } }, at);
  }
  const attempt = run.attempt + 1;
  const begun: Run = { ...taken, worker, attempt, state: 'running', startedAt: run.startedAt ?? at };
  const started: RunEvent = { kind: 'started', attempt };
  return run.state === 'paused' ? took(begun, { kind: 'resumed' }, started) : took(begun, started);
}

/** What is decided is not asked for: nobody could decide it again. */
function ask(run: Run, call: PendingCall): Result<Step> {
  if (Object.hasOwn(run.decisions, call.call)) return unchanged(run);
  const pending = run.pending.filter((one) => one.attempt === run.attempt && one.call !== call.call);
  // An agent may ask for one thing while it holds still in another.
  const state = run.state === 'paused' ? run.state : 'waiting_approval';
  const asked: Run = { ...run, state, pending: [...pending, { ...call, attempt: run.attempt }] };
  return took(asked, { kind: 'approval_required', ...call });
}

function takeDecision(run: Run, call: string): Result<Step> {
  const made = Object.hasOwn(run.decisions, call) ? run.decisions[call] : undefined;
  if (!made) return fail('not_found', 'the call is not decided');
  // Taken before, though the answer to it was lost: it is told once in an attempt.
  if (run.taken?.[call] === run.attempt) return unchanged(run);
  const note = made.note === undefined ? {} : { note: made.note };
  const state = run.state === 'waiting_approval' && !waits(run) ? 'running' : run.state;
  return took(
    { ...run, state, taken: { ...run.taken, [call]: run.attempt } },
    { kind: made.decision === 'approve' ? 'approved' : 'rejected', call, ...note },
  );
}

function waits(run: Run): boolean {
  return run.pending.some((one) => one.attempt === run.attempt);
}

/**
 * Out of a worker's hands. What is to be paused needs no queue, and is paused now, unless it is cancelled as well: then
 * the next worker ends it. Everything else waits for the next.
 */
function back(run: Run): Result<Step> {
  const { worker: _, ...free } = run;
  const freed = { ...free, fence: run.fence + 1 };
  const paused = run.state === 'paused';
  if (run.pauseRequested && !run.cancel) {
    return paused ? took(freed) : took({ ...freed, state: 'paused' }, { kind: 'paused' });
  }
  const { pauseRequested: _wish, ...rest } = freed;
  const queued: Run = { ...rest, state: 'queued' };
  return paused ? took(queued, { kind: 'resumed' }, { kind: 'queued' }) : took(queued, { kind: 'queued' });
}

/** A cancel that was accepted is kept, whatever the agent made of it. */
function end(run: Run, asked: RunEnd, at: number, usage?: Record<string, unknown>): Result<Step> {
  const final: RunEnd = run.cancel ? { kind: 'cancelled', reason: run.cancel.reason } : asked;
  const { worker: _worker, pauseRequested: _pause, ...rest } = run;
  const ended: Run = {
    ...rest,
    state: final.kind,
    endedAt: at,
    pending: [],
    ...(final.kind === 'completed' ? { result: final.result } : {}),
    ...(final.kind === 'failed' ? { error: final.error } : {}),
    ...(usage === undefined ? {} : { usage }),
  };
  return took(ended, final);
}

function took(run: Run, ...events: RunEvent[]): Result<Step> {
  return ok({ run, events });
}

function unchanged(run: Run): Result<Step> {
  return ok({ run, events: [] });
}
