/** `seq` 0 and no `epoch`: an ephemeral event. */
export interface AgentwireEvent<Data = unknown> {
  readonly topic: string;
  readonly seq: number;
  readonly epoch?: string;
  /** The store's clock, in milliseconds; it never falls within a topic. */
  readonly ts: number;
  readonly data: Data;
  readonly messageId?: string;
  /** Where the server traces, and this event is in a trace: the span to go on from. */
  readonly traceparent?: string;
}

/** A hole that was announced: the client was too slow, an iterator was, or the numbering changed while subscribed. */
export type Dropped =
  | {
      readonly topic: string;
      readonly from: number;
      readonly to: number;
      readonly count: number;
      /** Whose queue was full: the server's for this connection, or the one of an iterator in this process. */
      readonly where: 'server' | 'iterator';
    }
  | { readonly topic: string; readonly epoch: string; readonly reason: 'epoch' };

/**
 * What could not be had back after a reconnect, or was found missing. With `from` and `to` the numbers are known; a
 * pattern's gap says only that some topic of it may have one.
 */
export interface Gap {
  /** The subscription for `not_kept` and `forgotten`, else the topic. */
  readonly topic: string;
  /**
   * `not_kept`: the server has not kept all that came meanwhile. `missing`: a number was jumped over. `epoch`: the
   * numbering changed meanwhile, and it is not known what came under the old one. `forgotten`: more topics than this client remembers.
   */
  readonly reason: 'not_kept' | 'missing' | 'epoch' | 'forgotten';
  readonly epoch?: string;
  readonly from?: number;
  readonly to?: number;
}

/** What `on` tells besides topics and patterns. */
export interface ClientEvents {
  event: AgentwireEvent;
  connected: {
    readonly connection: string;
    readonly node: string;
    readonly identity: string;
    /** False for the first time only. */
    readonly again: boolean;
  };
  disconnected: { readonly code: number; readonly reason: string; readonly willReconnect: boolean };
  /** `attempt` counts from 1 since there was a connection. */
  reconnecting: { readonly attempt: number; readonly delayMs: number };
  dropped: Dropped;
  gap: Gap;
  goaway: { readonly reason: string; readonly reconnectAfterMs: number };
  error: Error;
}

const names: Readonly<Record<keyof ClientEvents, true>> = {
  event: true,
  connected: true,
  disconnected: true,
  reconnecting: true,
  dropped: true,
  gap: true,
  goaway: true,
  error: true,
};

export function isClientEvent(name: string): name is keyof ClientEvents {
  return Object.hasOwn(names, name);
}
