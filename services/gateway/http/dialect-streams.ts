import type { Result } from '../../../shared/base/errors.ts';
import { decodeJson } from '../../../shared/wire/json.ts';
import { encodeUtf8 } from '../../../shared/wire/utf8.ts';
import type { Broker } from '../core/broker.ts';
import type { Asker } from '../core/client.ts';
import { perform } from '../core/operations.ts';
import type { HttpRequest, HttpRoute, Reply, StreamReply } from '../core/transport.ts';
import type { Door } from '../core/upgrade.ts';
import type { Begun, Dialect, Streamed } from '../dialects/dialect.ts';
import { isLastOfRun } from '../hub/endings.ts';
import type { Entry } from '../hub/entry.ts';
import { frameOf, nextFormatIndex } from '../hub/format.ts';
import type { Format } from '../hub/format.ts';
import { failed } from './reply.ts';
import { UntilEnd } from './run-stream.ts';
import type { EndingFormat } from './sse-format.ts';
import { SseSocket } from './sse-socket.ts';
import { SseStream } from './sse-stream.ts';
import { enter, replyWith } from './sse.ts';

/** What a dialect has over HTTP: requests that start a run, and are answered by its events in the dialect's frames. */
export function dialectStreams(door: Door, { streamed = [] }: Dialect): HttpRoute[] {
  return streamed.map((each) => {
    const format = new LinesFormat(each.format);
    return { method: 'POST', path: each.path, handle: (request) => streamOf(door, each, format, request) };
  });
}

async function streamOf(
  door: Door,
  streamed: Streamed,
  format: LinesFormat,
  request: HttpRequest,
): Promise<Reply | StreamReply> {
  const caller = await enter(door, request);
  const bytes = await request.body();
  // The caller first: who may not come in learns nothing of what else is wrong with the request.
  if (!caller.ok) return failed(caller);
  const body = bytes.ok ? decodeJson(bytes.value) : bytes;
  if (!body.ok) return failed(body);
  // There is no way back into it: it is the answer to the request that started the run.
  const stream = new SseStream(door, caller.value.identity, new SseSocket(), format, false);
  const begun = await new Promise<Result<Begun>>((resolve, reject) => {
    streamed.start(asking(door.broker, stream, reject), request, body.value, resolve);
  });
  if (!begun.ok) {
    stream.gone();
    return failed(begun);
  }
  const { first, attach } = begun.value;
  const reply = replyWith(stream, () => '');
  return {
    ...reply,
    stream(sink) {
      const handler = reply.stream(new UntilEnd(sink, stream, format, false));
      door.broker.hub.send(stream.subscriber, lineOf(first));
      attach();
      return handler;
    },
  };
}

/** A fault of the dialect's becomes the answer, too. */
function asking(broker: Broker, stream: SseStream, fault: (error: unknown) => void): Asker {
  return {
    settings: broker.config,
    perform: (operation, input, done) => void perform(broker, stream, operation, input).then(done).catch(fault),
  };
}

/** The dialect's frames, each a line of its own. JSON has no line break in it. */
class LinesFormat implements EndingFormat {
  readonly index = nextFormatIndex();
  readonly name: string;
  readonly binary = false;
  readonly #format: Format;
  readonly #last = new WeakSet<Uint8Array>();

  constructor(format: Format) {
    this.name = `sse-${format.name}`;
    this.#format = format;
  }

  encode(entry: Entry): Uint8Array | null {
    const frame = frameOf(entry, this.#format);
    if (!frame) return null;
    const line = lineOf(frame);
    if (isLastOfRun(entry)) this.#last.add(line);
    return line;
  }

  isLast(line: Uint8Array): boolean {
    return this.#last.has(line);
  }
}

const before = encodeUtf8('data: ');
const behind = encodeUtf8('\n\n');

function lineOf(frame: Uint8Array): Uint8Array {
  return Buffer.concat([before, frame, behind]);
}
