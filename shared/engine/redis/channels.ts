/** What a process listens to in Redis: names of channels come and go, connections are somebody else's business. */
export interface Channels {
  start(): Promise<void>;
  stop(): void;
  /** Are all connections there? */
  ready(): boolean;
  /** True once all of them are confirmed; false when a connection fell, and then `restored` follows. */
  add(channels: readonly string[]): Promise<boolean>;
  /** Not at once, so that coming and going costs nothing. */
  remove(channels: readonly string[]): void;
  /**
   * From an exact place in the stream of messages on, behind all that were published before now, each connection hands
   * them over with this phase. False when that did not happen on all of them, and then `restored` follows.
   */
  mark(phase: boolean): Promise<boolean>;
}

export interface ChannelHooks {
  message(channel: Buffer, payload: Buffer, phase: boolean): void;
  /** Channels are subscribed again after a connection fell, or in another place: what came in between is lost. */
  restored(): void;
}
