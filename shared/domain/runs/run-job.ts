import type { NewJob } from '../../engine/engine.ts';
import type { Run } from './run.ts';

/** What the queue gets of a run: which it is, and the trace that it is in. All else is on the record. */
export function jobOf({ invocation, priority, trace }: Pick<Run, 'invocation' | 'priority' | 'trace'>): NewJob {
  return { id: invocation, data: trace === undefined ? invocation : `${invocation} ${trace}`, priority };
}

export function readJob(data: string): { invocation: string; trace: string | undefined } {
  const [invocation = '', trace] = data.split(' ');
  return { invocation, trace };
}
