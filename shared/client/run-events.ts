import type { RunEnd, RunEvent } from '../protocol/run-events.ts';
import type { AgentwireEvent } from './events.ts';
import { isMap } from './requests.ts';

/** Events of a run that a loop does not get. With `from` and `to` their numbers are known. */
export interface RunGap {
  readonly kind: 'gap';
  /** `not_kept`: the server has them no more. `epoch`: the numbering changed, and what is kept of the new one comes from its start. */
  readonly reason: 'not_kept' | 'epoch';
  readonly from?: number;
  readonly to?: number;
}

/** What a run tells, by `kind`: docs/protocol.md has them all, and more may come. `seq` and `ts` are those of the event. */
export type AgentRunEvent = (RunEvent & { readonly seq: number; readonly ts: number }) | RunGap;

/** Not the set of shared/protocol: with it would come zod. */
const ends: Readonly<Record<RunEnd['kind'], true>> = { completed: true, cancelled: true, failed: true };

/** The one that ends a run, or undefined. */
export function endIn(event: AgentwireEvent): RunEnd | undefined {
  const { data } = event;
  return isMap(data) && isOver(data['kind']) ? (data as RunEnd) : undefined;
}

/** The states in which a run ends are named as the events that end it. */
export function isOver(state: unknown): state is RunEnd['kind'] {
  return typeof state === 'string' && Object.hasOwn(ends, state);
}

/** As the loops give it. */
export function toldBy({ data, seq, ts }: AgentwireEvent): AgentRunEvent {
  return { ...(data as RunEvent), seq, ts };
}

/** How a run ended that was not completed. `code` is `cancelled`, or that of the failure: `timeout`, `worker_lost`, the agent's own … */
export class RunError extends Error {
  override readonly name = 'RunError';
  readonly code: string;
  readonly invocation: string;

  constructor(invocation: string, code: string, message: string) {
    super(message);
    this.code = code;
    this.invocation = invocation;
  }
}
