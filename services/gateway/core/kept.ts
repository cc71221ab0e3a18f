import type { CloseName } from '../../../shared/protocol/close-codes.ts';
import type { Subscriber } from '../hub/subscriber.ts';

/**
 * What a client that is closed now does not get from here any more: answers to its requests; the rest of a run that it
 * has no way back into; events behind which it is, and which it could ask for elsewhere; or nothing.
 */
export type Pending = 'answers' | 'run' | 'replay' | 'nothing';

/** Whoever is connected, by WebSocket or by SSE, as the timer that looks after all of them and the drain see it. */
export interface Kept {
  readonly pending: Pending;
  /** Now and then: to show that we are there, and to close who is not. */
  tend(now: number): void;
  /** The node is draining: it should be elsewhere by then. Absent where there is no word for it. */
  goaway?(reconnectAfterMs: number): void;
  /** May be called again, and when it is closed already. */
  close(name: CloseName): void;
}

/** How long the client has not read what waits for it. */
export function blockedFor(subscriber: Subscriber | undefined, now: number): number {
  const since = subscriber?.cursor?.blockedSince ?? 0;
  return since === 0 ? 0 : now - since;
}
