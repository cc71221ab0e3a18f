import { topicOf } from '../../../shared/domain/runs/run.ts';
import { runEnds } from '../../../shared/protocol/run-events.ts';
import { perform } from '../core/operations.ts';
import type { Reply, Request, StreamReply } from '../core/transport.ts';
import type { Door } from '../core/upgrade.ts';
import type { Socket } from '../hub/ports.ts';
import { failed } from './reply.ts';
import { ofRun } from './sse-format.ts';
import type { EndingFormat } from './sse-format.ts';
import { SseSocket } from './sse-socket.ts';
import { SseStream } from './sse-stream.ts';
import { enter, greetingAt, lastEventId, positionOf, replyWith } from './sse.ts';

/** The events of a run, from the first that is kept unless the client names a position; it ends with the one that ends the run. */
export async function streamOfRun(door: Door, request: Request): Promise<Reply | StreamReply> {
  const caller = await enter(door, request);
  if (!caller.ok) return failed(caller);
  const invocation = request.params['invocation'] ?? '';
  // Whose run it is, before anything of its topic is looked at.
  const found = await perform(door.broker, caller.value, 'status', { invocation });
  if (!found.ok) return failed(found);
  const over = runEnds.has(found.value.invocation.state);
  const topic = topicOf(invocation);
  const from = await positionOf(door, caller.value, request, topic);
  if (!from.ok) return failed(from);
  const point = from.value;
  if (over && point && lastEventId(request) !== '') {
    const head = await perform(door.broker, caller.value, 'history', { topic, limit: 1 });
    if (!head.ok) return failed(head);
    // A browser comes back whenever a stream ends, for ever; this is the one answer on which it stops.
    if (point.epoch === head.value.epoch && point.seq >= head.value.seq) return { status: 204, body: '' };
  }
  const stream = new SseStream(door, caller.value.identity, new SseSocket(), ofRun);
  const prepared = await stream.prepare({ topics: [{ topic, since: point ?? 'earliest' }] });
  if (!prepared.ok) return failed(prepared);
  const reply = replyWith(stream, ([subscribed]) => (subscribed ? greetingAt(subscribed, point) : ''));
  return {
    ...reply,
    stream(sink) {
      const untilEnd = new UntilEnd(sink, stream, ofRun, over);
      const handler = reply.stream(untilEnd);
      untilEnd.look();
      return handler;
    },
  };
}

/** Lets the stream end when the run's last event is on its way; where that is kept no more, when all that is kept is. */
export class UntilEnd implements Socket {
  readonly native = false;
  readonly #sink: Socket;
  readonly #stream: SseStream;
  readonly #format: EndingFormat;
  readonly #over: boolean;

  constructor(sink: Socket, stream: SseStream, format: EndingFormat, over: boolean) {
    this.#sink = sink;
    this.#stream = stream;
    this.#format = format;
    this.#over = over;
  }

  send(frame: Uint8Array, binary: boolean): boolean {
    const sent = this.#sink.send(frame, binary);
    if (sent && this.#format.isLast(frame)) this.#end();
    return sent;
  }

  cork(work: () => void): void {
    this.#sink.cork(work);
    this.look();
  }

  /** Nothing more comes of a run that had ended before it was asked about. */
  look(): void {
    if (this.#over && !this.#stream.subscriber.cursor) this.#end();
  }

  /** Behind the hub's back it must not be: that is in the middle of sending. */
  #end(): void {
    queueMicrotask(() => this.#stream.end());
  }

  buffered(): number {
    return this.#sink.buffered();
  }

  close(code: number, reason: string): void {
    this.#sink.close(code, reason);
  }

  flush(): boolean {
    return true;
  }
  subscribe(): void {}
  unsubscribe(): void {}
}
