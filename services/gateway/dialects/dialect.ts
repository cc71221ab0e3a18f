import type { Client, Conversation } from '../core/client.ts';
import type { Format } from '../hub/format.ts';

/**
 * A dialect turns frames into operations, and results and events back into frames. It sees one client at a time
 * through `Client`, and neither the sockets nor the store nor another dialect.
 */
export interface Dialect {
  readonly name: string;
  readonly paths: readonly string[];
  /** Of the subprotocols that the client offers, the one to speak; '' for none of them. */
  choose(offered: readonly string[]): string;
  /** How its events are written, one for each encoding. */
  readonly formats: readonly Format[];
  open(client: Client, protocol: string): Conversation;
}
