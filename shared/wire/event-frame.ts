import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import { encodeMsgpack } from './msgpack-encode.ts';
import { notPlain } from './plain.ts';
import { encodeUtf8 } from './utf8.ts';

/** As the engine's log hands it over. `body` is JSON text of an object: `{"data":…}` or `{"data":…,"messageId":…}`. */
export interface LoggedEvent {
  topic: string;
  /** 0 for an ephemeral event, whose frame has no epoch. */
  seq: number;
  epoch: string;
  ts: number;
  body: string;
}

/** The body of an event, from data that has been or will be kept: the one time that it is serialised. */
export function eventBody(data: unknown, messageId?: string): Result<string> {
  const fault = notPlain(data);
  if (fault !== undefined) return fail('bad_request', `data is refused: ${fault}`);
  const text = JSON.stringify(data);
  return ok(messageId === undefined ? `{"data":${text}}` : `{"data":${text},"messageId":${JSON.stringify(messageId)}}`);
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
  const { data, messageId } = JSON.parse(body) as { data: unknown; messageId?: string };
  // The encoder leaves out what is undefined, so one literal serves all four shapes.
  return encodeMsgpack({ type: 'event', topic, seq, epoch: seq === 0 ? undefined : epoch, ts, data, messageId });
}
