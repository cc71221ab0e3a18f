/**
 * What the hub needs of a connection, and no more. uWebSockets.js sockets, SSE responses and the
 * fake of the property tests are three of them.
 */
export interface Socket {
  /** Can it take part in native publish? Where not, the hub sends it the same shared bytes itself. */
  readonly native: boolean;
  /** False: refused, nothing of it was taken. It says when there is room again by `Hub.drained`. */
  send(frame: Uint8Array, binary: boolean): boolean;
  /** Bytes taken and not yet written. */
  buffered(): number;
  /**
   * Writes out what native publish has gathered for this socket in this turn. False: there is no room even to try; what
   * was gathered goes out, or is told as lost, at the end of the turn.
   */
  flush(): boolean;
  subscribe(nativeTopic: string): void;
  unsubscribe(nativeTopic: string): void;
  /** Frames sent inside leave in as few writes as possible. */
  cork(work: () => void): void;
  close(code: number, reason: string): void;
}

/** Native publish: the bytes reach each socket that subscribed to the native topic, gathered per turn of the loop. */
export interface Fanout {
  publish(nativeTopic: string, frame: Uint8Array, binary: boolean): void;
}

/** Plain numbers that the hub adds to as it works; whoever shows them reads them. */
export interface HubStats {
  subscriptions: number;
  behindConnections: number;
  eventsDelivered: number;
  bytesDelivered: number;
  eventsDropped: number;
  replayedEvents: number;
  repairs: number;
}

/** Runs work after the current turn of the loop, so that a long catch-up does not hold up a broadcast. */
export type Defer = (work: () => void) => void;
