import type { Hub } from './hub.ts';
import type { Subscriber } from './subscriber.ts';

/**
 * Until what is given back is called, nothing but answers goes to the connection; its events wait as they do for one
 * that is slow. For a request that puts events into the log well before it can be answered: the answer comes first.
 */
export function hush(hub: Hub, subscriber: Subscriber): () => void {
  const cursor = hub.leaveLane(subscriber);
  cursor.hushed += 1;
  return () => {
    cursor.hushed -= 1;
    hub.pump.wake(subscriber);
  };
}
