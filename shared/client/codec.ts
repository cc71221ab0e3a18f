import { fail } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import { subprotocols } from '../protocol/version.ts';
import { decodeJson } from '../wire/json.ts';
import { decodeMsgpack } from '../wire/msgpack-decode.ts';
import { encodeMsgpack } from '../wire/msgpack-encode.ts';
import { clientDepth } from '../wire/plain.ts';
import { encodeUtf8 } from '../wire/utf8.ts';

export type Encoded = string | Uint8Array;

/** A format as a WebSocket carries it: JSON in text frames, MessagePack in binary ones. */
export interface Codec {
  readonly protocol: string;
  /** For plain values only. */
  encode(frame: object): Encoded;
  decode(data: unknown): Result<unknown>;
}

export const codecs: Readonly<Record<'json' | 'msgpack', Codec>> = {
  json: {
    protocol: subprotocols.json,
    encode: (frame) => JSON.stringify(frame),
    decode: (data) => (typeof data === 'string' ? decodeJson(data, clientDepth) : fail('bad_frame', 'not text')),
  },
  msgpack: {
    protocol: subprotocols.msgpack,
    encode: (frame) => encodeMsgpack(frame),
    decode: (data) =>
      data instanceof ArrayBuffer ? decodeMsgpack(new Uint8Array(data), clientDepth) : fail('bad_frame', 'not binary'),
  },
};

/** Whether it is longer than so many bytes; most are so short that they need not be counted. */
export function isLonger(encoded: Encoded, limit: number): boolean {
  if (typeof encoded !== 'string') return encoded.length > limit;
  return encoded.length * 3 > limit && encodeUtf8(encoded).length > limit;
}
