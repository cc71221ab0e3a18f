import { encodeUtf8 } from '../../../shared/wire/utf8.ts';
import type { Socket } from '../hub/ports.ts';
import { idText } from './sse-format.ts';
import type { TimeFormat } from './sse-format.ts';

const firstOfId = 'i'.charCodeAt(0);

/**
 * The hub's end of an SSE stream. It is there before the response is, so that a subscription that fails can be answered
 * with a status; until then nothing has been subscribed to and nothing is sent.
 */
export class SseSocket implements Socket {
  readonly native = false;
  onClosed: () => void = () => {};
  readonly #timed: TimeFormat | undefined;
  #sink: Socket | undefined = undefined;
  #owed: number | undefined = undefined;

  /** `timed`: how the stream's events are written, where their ids are times. */
  constructor(timed?: TimeFormat) {
    this.#timed = timed;
  }

  open(sink: Socket): void {
    this.#sink = sink;
  }

  /** When all that is to be read from the log is on its way, this is the time that the client can come back to. */
  owe(time: number): void {
    if (this.#timed) this.#owed = time;
    this.#settle();
  }

  send(frame: Uint8Array): boolean {
    const sent = this.#sink?.send(frame, false) ?? false;
    if (sent && frame[0] === firstOfId) this.#owed = undefined;
    return sent;
  }

  buffered(): number {
    return this.#sink?.buffered() ?? 0;
  }

  cork(work: () => void): void {
    this.#sink?.cork(() => {
      work();
      this.#settle();
    });
  }

  /** Ends the response; there is no way to say why. */
  close(code: number, reason: string): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.close(code, reason);
    this.onClosed();
  }

  flush(): boolean {
    return true;
  }
  subscribe(): void {}
  unsubscribe(): void {}

  #settle(): void {
    if (this.#owed !== undefined && this.#timed?.subscriber?.cursor === undefined) {
      this.send(encodeUtf8(idText(this.#owed)));
    }
  }
}
