import { Event } from './entry.ts';
import type { Hub } from './hub.ts';

/**
 * An event of this node's own, on a topic that begins with `$node.`: it goes to those here who are subscribed, and the
 * store never hears of it. Ephemeral like any other that is numbered 0; with too much on its way out it is left out.
 */
export function announce(hub: Pick<Hub, 'subscriptions' | 'outgoing' | 'clock'>, topic: string, body: string): void {
  if (hub.outgoing.full || hub.subscriptions.route(topic).length === 0) return;
  hub.outgoing.push(new Event(topic, '', 0, hub.clock.now(), body));
}
