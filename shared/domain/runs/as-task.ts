import type { Append } from '../../engine/engine.ts';
import type { Progress } from '../../protocol/runs.ts';
import { isOver } from './run.ts';
import type { Run } from './run.ts';

// A run as the task that it is: whoever watches tasks sees runs among them, and needs to know nothing of runs. Everybody
// may watch, so of a run that is its owner's alone it is told how far it is and that it ended, and not what it says.

/**
 * What a step of the run means for those who watch tasks. It goes into the commit of the step: these topics share the
 * run's home (see homeOf), so a life is told as exactly as it is lived, and nothing has to be waited for or repaired.
 */
export function asTask(before: Run | undefined, run: Run): Append[] {
  if (!before) return [tell(run, 'created', {})];
  if (isOver(run)) return [endOf(run)];
  return run.attempt > before.attempt ? [tell(run, 'assigned', { attempt: run.attempt })] : [];
}

/** How far it is, in the commit that puts it into the record. */
export function taskProgress(run: Run, { percent = 0, step = 'running' }: Progress): Append {
  const status = run.private ? 'running' : step;
  return { ...tell(run, 'progress', { progress: percent, status }), retain: true, fence: run.fence };
}

function endOf(run: Run): Append {
  // The last figure, which may have come too soon after another to be told as progress.
  const percent = run.progress?.percent;
  const far = percent === undefined ? {} : { progress: percent };
  if (run.state === 'completed') {
    return tell(run, 'completed', { ...far, ...(run.private ? {} : { result: run.result ?? null }) });
  }
  const { code, message } = run.error ?? { code: 'cancelled', message: run.cancel?.reason ?? '' };
  return tell(run, 'failed', { ...far, error: { code, message: run.private ? code : message } });
}

function tell({ invocation, agent }: Run, kind: string, fields: object): Append {
  // Plain data already: it comes from the record, or was checked on its way there.
  const data = { taskId: invocation, agentId: agent, ...fields };
  return { topic: `task.${invocation}.${kind}`, body: JSON.stringify({ data }) };
}
