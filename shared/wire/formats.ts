import type { Result } from '../base/errors.ts';
import { eventFrameJson, eventFrameMsgpack } from './event-frame.ts';
import type { LoggedEvent } from './event-frame.ts';
import { decodeJson, encodeJson } from './json.ts';
import { decodeMsgpack } from './msgpack-decode.ts';
import { encodeMsgpack } from './msgpack-encode.ts';

export type Format = 'json' | 'msgpack';

/** One way to write frames. Encode for one with `encode`, for all with `eventFrame`: its bytes are shared by every reader. */
export interface FormatCodec {
  /** `depth` is how deep containers may nest; see `clientDepth`. Never throws. */
  decode(input: Uint8Array, depth?: number): Result<unknown>;
  encode(value: unknown): Uint8Array;
  eventFrame(event: LoggedEvent): Uint8Array;
  /** Whether its WebSocket frames are binary; a client may as well tell the format by that. */
  readonly binary: boolean;
}

export const formats: Readonly<Record<Format, FormatCodec>> = {
  json: { decode: decodeJson, encode: encodeJson, eventFrame: eventFrameJson, binary: false },
  msgpack: { decode: decodeMsgpack, encode: encodeMsgpack, eventFrame: eventFrameMsgpack, binary: true },
};
