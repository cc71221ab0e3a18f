import type { Append } from '../../engine/engine.ts';
import type { Progress } from '../../protocol/runs.ts';
import type { Run } from './run.ts';

// A run as the task that it is: whoever watches tasks sees runs among them, and needs to know nothing of runs. Everybody
// may watch, so of a run that is its owner's alone it is told that it ended, and not with what.
//
// Beginnings and progress are told at most once, by whoever brings them about, who never waits for it: the path from
// the start of a run to its first chunk is not to become longer. The end is told exactly once (see settling.ts).

export function taskCreated(run: Run): Append {
  return tell(run, 'created', {});
}

export function taskAssigned(run: Run): Append {
  return tell(run, 'assigned', { attempt: run.attempt });
}

/** By the fence a worker that has lost the run is silent here as well, once the next one has spoken. */
export function taskProgress(run: Run, { percent = 0, step = 'running' }: Progress): Append {
  return {
    ...tell(run, 'progress', { progress: percent, status: step }),
    retain: true,
    fence: run.fence,
  };
}

/** The seal lets it in once, whoever else tells of the same end. */
export function taskEnded(run: Run): Append {
  return { ...endOf(run), seal: true };
}

function endOf(run: Run): Append {
  if (run.state === 'completed') return tell(run, 'completed', run.private ? {} : { result: run.result ?? null });
  const { code, message } = run.error ?? { code: 'cancelled', message: run.cancel?.reason ?? '' };
  return tell(run, 'failed', { error: { code, message: run.private ? code : message } });
}

function tell({ invocation, agent }: Run, kind: string, fields: object): Append {
  // Plain data already: it comes from the record, or was checked on its way there.
  return {
    topic: `task.${invocation}.${kind}`,
    body: JSON.stringify({ data: { taskId: invocation, agentId: agent, ...fields } }),
  };
}
