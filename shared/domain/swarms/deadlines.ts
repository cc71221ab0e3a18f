import type { Clock } from '../../base/clock.ts';
import type { Result } from '../../base/errors.ts';
import type { Engine, NewJob, Verdict } from '../../engine/engine.ts';
import type { ProposalRecord } from '../../protocol/swarms.ts';

/** A time at which a proposal is to be decided, as a job of its own. */
export interface Deadline {
  readonly swarm: string;
  readonly proposal: string;
  readonly at: number;
}

export const deadlinesQueue = 'deadlines';

/** The job is there before the proposal is written, and one that never will be is given up after so long. */
const patienceMs = 60_000;
const lookAgainMs = 2000;

/** Two proposals of one name, of which one is refused, may have two deadlines: the time stands in the name of the job. */
function jobOf({ swarm, proposal, at }: Deadline, now: number): NewJob {
  const data: Deadline = { swarm, proposal, at };
  return { id: `${swarm}.${proposal}.${at}`, data: JSON.stringify(data), delayMs: Math.max(at - now, 0) };
}

export function setDeadline(engine: Pick<Engine, 'queue'>, deadline: Deadline, now: number): Promise<Result<unknown>> {
  return engine.queue(deadlinesQueue).add(jobOf(deadline, now));
}

/** What a worker does with the job: as often as it takes, by as many as get it. Only the first one decides. */
export async function keepDeadline(
  closing: { closeIfDue(swarm: string, proposal: string): Promise<Result<ProposalRecord>> },
  data: string,
  clock: Clock,
): Promise<Verdict> {
  const { swarm, proposal, at } = JSON.parse(data) as Deadline;
  const closed = await closing.closeIfDue(swarm, proposal);
  const now = clock.now();
  if (!closed.ok) {
    if (closed.code === 'not_found' && now >= at + patienceMs) return 'done';
    return { againInMs: lookAgainMs };
  }
  const { decided, deadlineAt } = closed.value;
  // This worker's clock is behind that of the gateway. Another time than this one has a job of its own.
  return !decided && deadlineAt === at ? { againInMs: Math.max(at - now, 1) } : 'done';
}
