import type { Run } from '../../shared/domain/runs/run.ts';
import { isOver } from '../../shared/domain/runs/run.ts';
import type { RunOutcome, WorkerMetrics } from '../../shared/observe/worker-metrics.ts';
import type { RunnerMetrics } from './runner.ts';

/** What the runner tells of runs, counted. */
export function countRuns(metrics: WorkerMetrics): RunnerMetrics {
  return {
    began({ agent, attempt, createdAt, startedAt = createdAt }, takeover) {
      metrics.started(agent, takeover);
      // By the clocks of two machines, which may differ a little.
      if (attempt === 1) metrics.waited(Math.max(0, startedAt - createdAt));
    },
    left: (agent, run, tookMs) => metrics.ended(agent, outcomeOf(run), tookMs),
  };
}

function outcomeOf(run: Run | undefined): RunOutcome {
  if (!run) return 'lost';
  return isOver(run) ? (run.state as RunOutcome) : 'requeued';
}
