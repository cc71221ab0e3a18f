import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import { encodeMsgpack } from './msgpack-encode.ts';
import { notPlain } from './plain.ts';
import { encodeUtf8 } from './utf8.ts';

/**
 * As the engine's log hands it over. `body` is JSON text of an object: `data`, and behind it a `messageId` and a
 * `traceparent` where there are any, in this order.
 */
export interface LoggedEvent {
  topic: string;
  /** 0 for an ephemeral event, whose frame has no epoch. */
  seq: number;
  epoch: string;
  ts: number;
  body: string;
}

/** What a body holds. */
export interface EventFields {
  data: unknown;
  messageId?: string;
  traceparent?: string;
}

/** The body of an event, from data that has been or will be kept: the one time that it is serialised. */
export function eventBody(data: unknown, messageId?: string): Result<string> {
  const fault = notPlain(data);
  if (fault !== undefined) return fail('bad_request', `data is refused: ${fault}`);
  const text = JSON.stringify(data);
  return ok(messageId === undefined ? `{"data":${text}}` : `{"data":${text},"messageId":${JSON.stringify(messageId)}}`);
}

const before = ',"traceparent":"';
const traceparentLength = 55;
const traceLength = before.length + traceparentLength + '"}'.length;

/** The same event, on its way in a trace. */
export function withTraceparent(body: string, traceparent: string): string {
  return `${body.slice(0, -1)}${before}${traceparent}"}`;
}

/**
 * One look at a fixed place, without parsing. Nobody's data can pass for it: inside of a string its quotes would be
 * escaped, and inside of a map another brace would follow.
 */
export function traceparentIn(body: string): string | undefined {
  const from = body.length - traceLength;
  return body.startsWith(before, from) ? body.slice(from + before.length, -2) : undefined;
}

/** For those who have no field for it. */
export function withoutTraceparent(body: string): string {
  return traceparentIn(body) === undefined ? body : `${body.slice(0, -traceLength)}}`;
}

/**
 * Splices and never parses. Topics and epochs need no escaping: the grammar of the one and the making of the other
 * leave no character that JSON would escape.
 */
export function eventFrameText(event: LoggedEvent): string {
  const { topic, seq, epoch, ts, body } = event;
  const position = seq === 0 ? '0' : `${seq},"epoch":"${epoch}"`;
  return `{"type":"event","topic":"${topic}","seq":${position},"ts":${ts},${body.slice(1)}`;
}

export function eventFrameJson(event: LoggedEvent): Uint8Array {
  return encodeUtf8(eventFrameText(event));
}

/** The same fields in the same order. Once per event, and only where somebody reads MessagePack. */
export function eventFrameMsgpack(event: LoggedEvent): Uint8Array {
  const { topic, seq, epoch, ts, body } = event;
  const { data, messageId, traceparent } = JSON.parse(body) as EventFields;
  // The encoder leaves out what is undefined, so one literal serves all shapes.
  const kept = seq === 0 ? undefined : epoch;
  return encodeMsgpack({ type: 'event', topic, seq, epoch: kept, ts, data, messageId, traceparent });
}
