import type { Result } from '../../../shared/base/errors.ts';
import type { Asker, Client, Conversation, Entrance } from '../core/client.ts';
import type { Method, WebSocketRoute } from '../core/transport.ts';
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
  /** Where its frames are worth it whatever the broker is set to. */
  readonly compression?: WebSocketRoute['compression'];
  /** What it has besides WebSockets. */
  readonly streamed?: readonly Streamed[];
  readonly answered?: readonly Answered[];
}

/** A request over HTTP that is answered in JSON. */
export interface Answered {
  readonly method: Method;
  readonly path: string;
  /** `body` is what the JSON of the request says, and undefined for a GET. `done` is called once; a failure is answered with its status. */
  answer(asker: Asker, entrance: Entrance, body: unknown, done: (answer: Result<object>) => void): void;
}

/** A POST that starts a run. The answer is what comes of it, as server-sent events, until the run has ended. */
export interface Streamed {
  readonly path: string;
  /** How the run's events are written: in JSON, each a `data:` line. */
  readonly format: Format;
  /** `body` is what the JSON of the request says. `done` is called once; a failure is answered with its status. */
  start(asker: Asker, entrance: Entrance, body: unknown, done: (begun: Result<Begun>) => void): void;
}

export interface Begun {
  /** Goes out ahead of the events. */
  readonly first: Uint8Array;
  readonly attach: () => void;
}
