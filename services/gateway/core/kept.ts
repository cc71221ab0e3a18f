import type { CloseName } from '../../../shared/protocol/close-codes.ts';
import type { Subscriber } from '../hub/subscriber.ts';

/**
 * What a client that is closed now does not get any more: answers to its requests; events that it was promised, be it
 * a replay or a run that it cannot ask for again; or nothing that it would not get elsewhere.
 */
export type Pending = 'answers' | 'events' | 'nothing';

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
