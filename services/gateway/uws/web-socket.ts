import type { Link, LinkHandler, UpgradeDecision } from '../core/transport.ts';
import type { WebSocket, WebSocketBehavior } from './adapter.ts';
import type { Losses, Loser } from './losses.ts';

/** uWebSockets.js copies what it is given into an object of its own, so the link cannot be that object. */
export interface UserData {
  link: WebSocketLink;
}

/** What the links of one route share. */
export interface LinkContext {
  readonly losses: Losses;
  readonly maxBackpressure: number;
  readonly compress: boolean;
  readonly onFault: (error: unknown) => void;
}

/** What uWebSockets.js gives back for a message that it did not take. */
const refused = 2;

type Opener = Extract<UpgradeDecision, { accept: true }>;

/** There may be 100,000 of them: no closures, and what can be shared is in the context. */
export class WebSocketLink implements Link, Loser {
  readonly native = true;
  readonly remoteAddress: string;
  readonly #context: LinkContext;
  /** Undefined before the opening and after the close; uWebSockets.js throws when a closed socket is touched. */
  #ws: WebSocket<UserData> | undefined = undefined;
  #opener: Opener | undefined;
  #handler: LinkHandler | undefined = undefined;
  #closing = false;

  constructor(context: LinkContext, remoteAddress: string, opener: Opener) {
    this.#context = context;
    this.remoteAddress = remoteAddress;
    this.#opener = opener;
  }

  send(frame: Uint8Array, binary: boolean): boolean {
    const { losses, maxBackpressure, compress } = this.#context;
    const ws = this.#writable();
    // Asked before: a send to a full socket would decide the fate of what native publish gathered, too.
    if (!ws || ws.getBufferedAmount() > maxBackpressure) return false;
    losses.enter();
    const taken = ws.send(frame, binary, compress) !== refused;
    losses.leave();
    return taken;
  }

  buffered(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  /**
   * Every send writes what native publish has gathered for the socket first, and a ping is the smallest one. Measured:
   * gathered messages are not counted by `buffered`, and leaving the last topic does not forget them; without the ping
   * they go out, or are lost, at the end of the turn only, when the connection may stand elsewhere.
   */
  flush(): boolean {
    const ws = this.#writable();
    if (!ws) return true;
    if (ws.getBufferedAmount() > this.#context.maxBackpressure) return false;
    this.#context.losses.enter();
    ws.ping();
    this.#context.losses.leave();
    return true;
  }

  ping(): void {
    this.flush();
  }

  subscribe(nativeTopic: string): void {
    this.#writable()?.subscribe(nativeTopic);
  }

  unsubscribe(nativeTopic: string): void {
    this.#writable()?.unsubscribe(nativeTopic);
  }

  cork(work: () => void): void {
    const ws = this.#writable();
    if (ws) ws.cork(work);
    else work();
  }

  close(code: number, reason: string): void {
    if (!this.#writable()) return;
    this.#closing = true;
    // Within its own opening, too: the handler that is to be told is not there yet.
    if (this.#context.losses.walking || !this.#handler) setImmediate(() => this.#ws?.end(code, reason));
    else this.#ws?.end(code, reason);
  }

  tellOpen(ws: WebSocket<UserData>): void {
    const opener = this.#opener;
    this.#opener = undefined;
    this.#ws = ws;
    this.#run(() => {
      this.#handler = opener?.open(this);
    });
  }

  tellMessage(message: ArrayBuffer, binary: boolean): void {
    // Not by `#run`: this is the way of every frame, and must not make a closure for each.
    try {
      if (!this.#closing) this.#handler?.message(new Uint8Array(message), binary);
    } catch (error) {
      this.#fail(error);
    }
  }

  tellDrained(): void {
    if (!this.#closing) this.#run(() => this.#handler?.drained());
  }

  lost(message: ArrayBuffer): void {
    this.#context.losses.add(this, message);
  }

  tellDropped(frame: Uint8Array): void {
    if (this.#ws && !this.#closing) this.#run(() => this.#handler?.dropped(frame));
  }

  tellAlive(): void {
    if (!this.#closing) this.#run(() => this.#handler?.alive());
  }

  tellClosed(code: number): void {
    this.#ws = undefined;
    this.#run(() => this.#handler?.closed(code));
  }

  /** The socket, while something may still be asked of it. */
  #writable(): WebSocket<UserData> | undefined {
    return this.#closing ? undefined : this.#ws;
  }

  #run(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#context.onFault(error);
    this.close(1011, 'internal error');
  }
}

/** The callbacks that uWebSockets.js calls for all sockets of a route. */
export const callbacks: Pick<
  WebSocketBehavior<UserData>,
  'open' | 'message' | 'dropped' | 'drain' | 'ping' | 'pong' | 'close'
> = {
  open: (ws) => ws.getUserData().link.tellOpen(ws),
  message: (ws, message, binary) => ws.getUserData().link.tellMessage(message, binary),
  dropped: (ws, message) => ws.getUserData().link.lost(message),
  drain: (ws) => ws.getUserData().link.tellDrained(),
  ping: (ws) => ws.getUserData().link.tellAlive(),
  pong: (ws) => ws.getUserData().link.tellAlive(),
  close: (ws, code) => ws.getUserData().link.tellClosed(code),
};
