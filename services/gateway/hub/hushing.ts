import type { Hub } from './hub.ts';
import type { Subscriber } from './subscriber.ts';

/**
 * Until what is given back is called, no event that comes from now on goes to the connection; they wait as they do for
 * one that is slow. For a request that puts events into the log well before it can be answered: the answer comes first.
 * What came before goes on, or whoever makes such requests without a break would hear nothing at all.
 */
export function hush(hub: Hub, subscriber: Subscriber): () => void {
  const speak = hub.leaveLane(subscriber).hush(hub.ring.head);
  return () => {
    speak();
    hub.pump.wake(subscriber);
  };
}
