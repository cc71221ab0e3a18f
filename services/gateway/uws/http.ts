import { STATUS_CODES } from 'node:http';
import { errorTable } from '../../../shared/base/errors.ts';
import type { ErrorCode } from '../../../shared/base/errors.ts';
import type { HttpRoute, Method, Reply, StreamReply } from '../core/transport.ts';
import type { NativeRequest, NativeResponse } from './adapter.ts';
import { Exchange } from './exchange.ts';
import { paramNamesOf } from './request.ts';
import { ResponseSink } from './stream.ts';

export interface HttpContext {
  readonly maxBodyBytes: number;
  readonly onFault: (error: unknown) => void;
  /** Requests that have no answer yet, nor a stream. */
  unanswered: number;
  /** Connections end with the next answer. */
  ending: boolean;
}

/**
 * A handler for uWebSockets.js. It aborts the whole process when a handler throws, or returns without an answer and
 * without `onAborted`; it throws when a response is touched after its end. So nothing gets past this one.
 */
export function serve(context: HttpContext, route: HttpRoute) {
  const paramNames = paramNamesOf(route.path);
  const maxBodyBytes = route.method === 'GET' ? undefined : context.maxBodyBytes;
  return (response: NativeResponse, request: NativeRequest): void => {
    const exchange = new Exchange(request, response, paramNames, maxBodyBytes);
    context.unanswered += 1;
    const settle = (reply: Reply | StreamReply): void => {
      context.unanswered -= 1;
      const left = exchange.gone;
      try {
        if ('stream' in reply && (left || exchange.method === 'HEAD')) reply.unused?.();
        if (left) return;
        if ('stream' in reply && exchange.method !== 'HEAD') openStream(exchange, reply, context);
        else response.cork(() => write(exchange, reply, context.ending));
      } catch (error) {
        context.onFault(error);
        if (!left) response.close();
      }
    };
    const refuse = (error: unknown): void => {
      context.onFault(error);
      settle(errorReply(500, 'internal'));
    };
    try {
      const reply = route.handle(exchange);
      if (reply instanceof Promise) reply.then(settle, refuse);
      else settle(reply);
    } catch (error) {
      refuse(error);
    }
  };
}

/** The answer to a method that a known path does not have. */
export function refuseMethod(allowed: readonly Method[]): HttpRoute['handle'] {
  const allow = allowed.includes('GET') ? [...allowed, 'HEAD'] : allowed;
  const reply = errorReply(405, 'bad_request', 'this path does not have that method', { allow: allow.join(', ') });
  return () => reply;
}

export function errorReply(
  status: number,
  code: ErrorCode,
  message: string = errorTable[code].says,
  headers: Record<string, string> = {},
): Reply {
  const body = JSON.stringify({ error: { code, message } });
  return { status, headers: { 'content-type': 'application/json', ...headers }, body };
}

export function writeHead(response: NativeResponse, reply: Omit<Reply, 'body'>): void {
  response.writeStatus(`${reply.status} ${STATUS_CODES[reply.status] ?? ''}`);
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.writeHeader(name, value);
}

function write(exchange: Exchange, reply: Reply | StreamReply, ending: boolean): void {
  const { response, bodyCut } = exchange;
  writeHead(response, reply);
  exchange.gone = true;
  const body = 'body' in reply ? reply.body : '';
  // A client that is still sending a body which nobody reads must not keep the connection busy with it.
  const last = bodyCut || ending;
  if (exchange.method === 'HEAD') response.endWithoutBody(Buffer.byteLength(body), last);
  // That one may not even name a length; given as undefined, it makes uWebSockets.js throw.
  else if (reply.status === 204) response.endWithoutBody();
  else response.end(body, last);
}

function openStream(exchange: Exchange, reply: StreamReply, context: HttpContext): void {
  const sink = new ResponseSink(exchange.response, context.onFault);
  exchange.onGone = () => sink.abort();
  exchange.response.cork(() => {
    writeHead(exchange.response, reply);
    sink.open();
  });
  sink.attach(reply.stream(sink));
}
