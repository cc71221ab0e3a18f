import type { Result } from '../../base/errors.ts';
import type { Signals } from '../../engine/engine.ts';

const nameOf = (worker: string): string => `runs.${worker}`;

/**
 * "Look at this run again": to the worker that holds it, after a client's wish was put on its record. It says no more,
 * so one that is lost, late or doubled does no harm: the sweeper says it again.
 */
export function nudge(signals: Signals, worker: string, invocation: string): void {
  signals.send(nameOf(worker), invocation);
}

export function onNudge(
  signals: Signals,
  worker: string,
  look: (invocation: string) => void,
): Promise<Result<() => void>> {
  return signals.on(nameOf(worker), look);
}
