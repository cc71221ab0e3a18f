import type { Result } from '../../../shared/base/errors.ts';
import type { Config } from '../../../shared/config/options.ts';
import type { Identity } from '../../../shared/domain/identity.ts';
import type { CloseName } from '../../../shared/protocol/close-codes.ts';
import type { HelloResult } from '../../../shared/protocol/hello.ts';
import type { Format } from '../hub/format.ts';
import type { InputOf, OperationName, OutputOf } from './operations.ts';
import type { Request } from './transport.ts';

/** Where a client came in: what the path and the query of its request say. */
export type Entrance = Pick<Request, 'params' | 'query'>;

/** One connection, as its dialect sees it: what may be asked of it. */
export interface Client {
  readonly identity: Identity | undefined;
  readonly settings: Settings;
  /** How this connection's answers and events are written; said once, before the first frame is sent. */
  use(format: Format): void;
  /** At once, behind the answers that wait; never overtaken by an event that it causes. */
  send(frame: Uint8Array): void;
  /** The same together with other answers of this turn: for what causes no event within the turn. */
  answer(frame: Uint8Array): void;
  /**
   * `done` is called once, in a later turn of the microtasks at the earliest. `subscribe` and `unsubscribe` run in the
   * order asked, before and after any `run` and `attach`; these run side by side.
   */
  perform<N extends OperationName>(operation: N, input: InputOf<N>, done: (result: Result<OutputOf<N>>) => void): void;
  /**
   * The dialect itself hears the data of a topic's events from now on: each at most once and in order; of what was lost
   * on the way to this node and is kept no more it hears nothing, and goes on with what comes next. Ends with what
   * `done` is given, at the latest with the connection. May be refused as a subscription may.
   */
  listen(topic: string, heard: (data: unknown) => void, done: (result: Result<() => void>) => void): void;
  /**
   * Who the token belongs to is who this connection is from now on. `done` is called once, in a later turn of the
   * microtasks at the earliest; requests that come meanwhile wait for it, so that a client need not.
   */
  authenticate(token: string, done: (result: Result<Identity>) => void): void;
  /** Frames that come from now on wait, within the bounds of what may wait at all, until what this gives back is called, once. */
  hold(): () => void;
  /** What a client is told of the node that it talks to. */
  welcome(version: number): HelloResult;
  /** A frame could not be read; too many in a row close the connection, and a good one ends the row. */
  badFrame(): void;
  goodFrame(): void;
  close(name: CloseName): void;
}

/** What of a client is there for a request over HTTP, too. */
export type Asker = Pick<Client, 'perform' | 'settings'>;

/** What a dialect has to know of how the broker was set up. */
export type Settings = Pick<Config, 'chatAgent' | 'defaultAgent'>;

/** The dialect's side of a connection: what becomes of what arrives. */
export interface Conversation {
  /** A frame of at most the permitted size; its bytes are valid during the call only. */
  receive(bytes: Uint8Array, binary: boolean): void;
  /** A frame that is not worked on, because too many are under way or came within a second. */
  refuse(bytes: Uint8Array, binary: boolean, code: 'busy' | 'rate_limited'): void;
  /** The node is draining: absent where the dialect has no word for it. Its clients learn it from the close code. */
  goaway?(reconnectAfterMs: number): void;
  /** With each ping, where the dialect has a sign of life of its own. */
  heartbeat?(): void;
  /** The connection is gone: nothing is sent any more. */
  closed?(): void;
}
