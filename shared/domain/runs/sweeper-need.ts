import { isOver } from './run.ts';
import type { Run } from './run.ts';

/** A run whose agent nobody announces is given up when it is out of time, and not before this has passed. */
const patienceMs = 60_000;

/**
 * What an open run needs of somebody, as far as its record tells: to be `settled`, to be on the queue for `work`, or
 * nothing for now: it `rests` until a client wants something of it.
 */
export function needOf(run: Run): 'settled' | 'work' | 'rest' {
  if (isOver(run)) return 'settled';
  return run.state === 'paused' && run.pauseRequested && !run.cancel ? 'rest' : 'work';
}

/** Somebody wants something of it that its worker has not carried out: perhaps it has not heard of it. */
export function isWanted(run: Run): boolean {
  if (run.worker === undefined) return false;
  if (run.cancel) return true;
  switch (run.state) {
    case 'running':
      return run.pauseRequested === true;
    case 'paused':
      return !run.pauseRequested;
    case 'waiting_approval':
      // Which of them the agent has got already, the record does not tell: looking costs one read.
      return Object.keys(run.decisions).length > 0;
    default:
      return false;
  }
}

/** Nobody has begun it for longer than it might have taken; what waits for a person has no time limit. */
export function isOutOfTime(run: Run, now: number): boolean {
  if (run.state !== 'queued' && run.state !== 'running') return false;
  return now - (run.startedAt ?? run.createdAt) > Math.max(run.timeoutMs, patienceMs);
}
