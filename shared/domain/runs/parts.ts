import type { Clock } from '../../base/clock.ts';
import type { Config } from '../../config/options.ts';
import type { Engine } from '../../engine/engine.ts';
import { Checkpoints } from '../checkpoints/checkpoints.ts';
import { Sessions } from '../sessions/sessions.ts';
import { Line } from './line.ts';
import { RunIndex } from './run-index.ts';
import { RunStore } from './run-store.ts';
import { Settling } from './settling.ts';

/** What is kept of runs and of the sessions that they stand in, for whoever works on them: gateways and workers. */
export interface RunParts {
  readonly store: RunStore;
  readonly line: Line;
  readonly index: RunIndex;
  readonly settling: Settling;
  readonly sessions: Sessions;
  readonly checkpoints: Checkpoints;
}

export type KeepingOptions = Pick<
  Config,
  'runHistorySize' | 'maxFrameBytes' | 'metaTtlS' | 'checkpointsPerSession' | 'checkpointTtlS'
>;

export function runParts(from: { engine: Engine; clock: Clock; config: KeepingOptions }): RunParts {
  const { engine, clock, config } = from;
  const store = new RunStore(engine, { historySize: config.runHistorySize });
  const line = new Line(engine);
  const index = new RunIndex(engine, line, clock);
  const settling = new Settling({ engine, store, line, index, clock });
  const settleEnded = (session: string): ReturnType<Settling['settleEnded']> => settling.settleEnded(session);
  const sessions = new Sessions({ engine, clock, settleEnded, options: config });
  const checkpoints = new Checkpoints(engine.records, clock, config);
  return { store, line, index, settling, sessions, checkpoints };
}
