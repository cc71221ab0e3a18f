import type { CloseName } from '../../../shared/protocol/close-codes.ts';
import type { Subscriber } from '../hub/subscriber.ts';

/** Whoever is connected, by WebSocket or by SSE, as the timer that looks after all of them and the drain see it. */
export interface Kept {
  /** Nothing of it is under way. */
  readonly idle: boolean;
  /** Now and then: to show that we are there, and to close who is not. */
  tend(now: number): void;
  /** The node is draining: it should be elsewhere by then. */
  goaway(reconnectAfterMs: number): void;
  close(name: CloseName): void;
}

/** How long the client has not read what waits for it. */
export function blockedFor(subscriber: Subscriber | undefined, now: number): number {
  const since = subscriber?.cursor?.blockedSince ?? 0;
  return since === 0 ? 0 : now - since;
}
