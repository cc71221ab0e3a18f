import type { StreamHandler } from '../core/transport.ts';
import type { Socket } from '../hub/ports.ts';
import type { NativeResponse } from './adapter.ts';

/** An empty comment of SSE. */
const comment = ':\n\n';

/**
 * An HTTP response that goes on. uWebSockets.js puts no bound to what waits in one, so nothing is written any more
 * from the first chunk that it could not pass on. It closes the connection itself when nothing of that could be
 * written for 10 s.
 */
export class ResponseSink implements Socket {
  readonly native = false;
  readonly #onFault: (error: unknown) => void;
  #response: NativeResponse | undefined;
  #handler: StreamHandler | undefined = undefined;
  #waiting = 0;

  constructor(response: NativeResponse, onFault: (error: unknown) => void) {
    this.#response = response;
    this.#onFault = onFault;
  }

  /** Headers alone do not leave the process; the first chunk takes them with it. */
  open(): void {
    const response = this.#response;
    response?.onWritable(() => {
      // This version writes what waits only when it is asked to write more; until then the rest would lie there for good.
      if (response.write(comment)) this.#drained();
      return true;
    });
    response?.write(comment);
  }

  attach(handler: StreamHandler): void {
    this.#handler = handler;
  }

  send(frame: Uint8Array): boolean {
    const response = this.#response;
    if (!response || this.#waiting > 0) return false;
    // An empty chunk would end the response.
    if (frame.length === 0) return true;
    let written = true;
    response.cork(() => {
      written = response.write(frame);
    });
    if (!written) this.#waiting = frame.length;
    return true;
  }

  buffered(): number {
    return this.#waiting;
  }

  cork(work: () => void): void {
    if (this.#response) this.#response.cork(work);
    else work();
  }

  /** There is no way to tell the client why; it comes back by itself. */
  close(): void {
    const response = this.#response;
    this.#response = undefined;
    response?.cork(() => response.end());
  }

  flush(): boolean {
    return true;
  }
  subscribe(): void {}
  unsubscribe(): void {}

  abort(): void {
    if (!this.#response) return;
    this.#response = undefined;
    this.#tell((handler) => handler.gone());
  }

  #drained(): void {
    if (this.#waiting === 0) return;
    this.#waiting = 0;
    this.#tell((handler) => handler.drained());
  }

  #tell(news: (handler: StreamHandler) => void): void {
    try {
      if (this.#handler) news(this.#handler);
    } catch (error) {
      this.#onFault(error);
      this.close();
    }
  }
}
