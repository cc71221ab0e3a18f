import type { Client, Conversation, Entrance } from '../core/client.ts';
import type { Format } from '../hub/format.ts';

/**
 * A dialect turns frames into operations, and results and events back into frames. It sees one client at a time
 * through `Client`, and neither the sockets nor the store nor another dialect.
 */
export interface Dialect {
  readonly name: string;
  /** May hold parameters, each a whole segment: `/rooms/:room/ws`. */
  readonly paths: readonly string[];
  /** Of the subprotocols that the client offers, the one to speak; '' for none of them. */
  choose(offered: readonly string[]): string;
  /** How its events are written, one for each encoding. */
  readonly formats: readonly Format[];
  /** It may speak first, and ask for operations. */
  open(client: Client, protocol: string, entrance: Entrance): Conversation;
}
