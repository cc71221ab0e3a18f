import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import { maxDepth, protoKey, tooDeep } from './plain.ts';
import { decodeUtf8 } from './utf8.ts';

/**
 * Reads the plain part of MessagePack and nothing else. Written by hand because what a library reads beyond that is
 * the danger: extension types and records make objects that leak memory when they are sent on, 0xC1 and bad UTF-8
 * pass without a word, and the checks that would find them cost as much as the reading does.
 */
export function decodeMsgpack(input: Uint8Array, depth = maxDepth): Result<unknown> {
  bytes = input;
  view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  at = 0;
  try {
    const value = read(depth);
    if (at !== bytes.length) return fail('bad_frame', 'there are bytes after the end of the MessagePack value');
    return ok(value);
  } catch (error) {
    if (error instanceof Refused) return fail('bad_frame', error.message);
    // The only throw of the platform that bytes can bring about: a read past the end of the view.
    if (error instanceof RangeError) return fail('bad_frame', cutOff);
    throw error;
  } finally {
    bytes = nothing;
    view = nowhere;
  }
}

class Refused extends Error {}

const cutOff = 'the MessagePack value is cut off';

const nothing = new Uint8Array(0);
const nowhere = new DataView(nothing.buffer);

// One decode at a time, from start to end without a turn between: shared state spares an object per frame and a parameter per call.
let bytes: Uint8Array = nothing;
let view: DataView = nowhere;
let at = 0;

function read(depth: number): unknown {
  const tag = view.getUint8(at++);
  if (tag < 0x80) return tag;
  if (tag < 0x90) return readMap(tag & 0x0f, depth);
  if (tag < 0xa0) return readArray(tag & 0x0f, depth);
  if (tag < 0xc0) return readText(tag & 0x1f);
  if (tag >= 0xe0) return tag - 0x100;
  switch (tag) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xca:
      return finite(view.getFloat32(skip(4)));
    case 0xcb:
      return finite(view.getFloat64(skip(8)));
    case 0xcc:
      return view.getUint8(skip(1));
    case 0xcd:
      return view.getUint16(skip(2));
    case 0xce:
      return view.getUint32(skip(4));
    case 0xcf:
      return wide(view.getUint32(skip(4)), view.getUint32(skip(4)));
    case 0xd0:
      return view.getInt8(skip(1));
    case 0xd1:
      return view.getInt16(skip(2));
    case 0xd2:
      return view.getInt32(skip(4));
    case 0xd3:
      return wide(view.getInt32(skip(4)), view.getUint32(skip(4)));
    case 0xd9:
      return readText(view.getUint8(skip(1)));
    case 0xda:
      return readText(view.getUint16(skip(2)));
    case 0xdb:
      return readText(view.getUint32(skip(4)));
    case 0xdc:
      return readArray(view.getUint16(skip(2)), depth);
    case 0xdd:
      return readArray(view.getUint32(skip(4)), depth);
    case 0xde:
      return readMap(view.getUint16(skip(2)), depth);
    case 0xdf:
      return readMap(view.getUint32(skip(4)), depth);
    case 0xc1:
      throw new Refused('0xC1 is no MessagePack');
    case 0xc4:
    case 0xc5:
    case 0xc6:
      throw new Refused('binary values are not carried: data is JSON-like, send them as text (base64)');
    default:
      throw new Refused('MessagePack extension types are not carried');
  }
}

function skip(count: number): number {
  const start = at;
  at += count;
  return start;
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new Refused('NaN and Infinity are not carried');
  return value;
}

function wide(high: number, low: number): number {
  const value = high * 0x1_0000_0000 + low;
  if (!Number.isSafeInteger(value)) throw new Refused('integers beyond 2^53 are not carried: send them as text');
  return value;
}

// A claimed length is believed only as far as bytes follow: nothing is allocated ahead of reading.
function readArray(length: number, depth: number): unknown[] {
  if (depth === 0) throw new Refused(tooDeep);
  const array: unknown[] = [];
  for (let i = 0; i < length; i++) array.push(read(depth - 1));
  return array;
}

function readMap(length: number, depth: number): Record<string, unknown> {
  if (depth === 0) throw new Refused(tooDeep);
  const map: Record<string, unknown> = {};
  for (let i = 0; i < length; i++) {
    const key = readKey();
    if (key === '__proto__') throw new Refused(protoKey);
    map[key] = read(depth - 1);
  }
  return map;
}

function readKey(): string {
  const tag = view.getUint8(at++);
  if (tag >= 0xa0 && tag < 0xc0) return readShortKey(tag & 0x1f);
  if (tag === 0xd9) return readText(view.getUint8(skip(1)));
  if (tag === 0xda) return readText(view.getUint16(skip(2)));
  if (tag === 0xdb) return readText(view.getUint32(skip(4)));
  throw new Refused('a key must be a string');
}

/**
 * Keys come again and again, and a fresh string must be looked up by the engine before it can name a property: the
 * last key of each slot is kept, compared byte by byte and used again. Takes a third off the reading of an event.
 */
const known: string[] = Array.from({ length: 256 }, () => '');

function readShortKey(length: number): string {
  const end = at + length;
  if (length === 0 || end > bytes.length) return readText(length);
  const slot = ((bytes[at] as number) * 7 + (bytes[end - 1] as number) * 3 + length) & 0xff;
  const key = known[slot] as string;
  if (key.length === length) {
    let i = 0;
    while (i < length && key.charCodeAt(i) === bytes[at + i]) i++;
    if (i === length) {
      at = end;
      return key;
    }
  }
  const fresh = readText(length);
  // Only ASCII has a character per byte, which the comparison above takes for granted.
  if (fresh.length === length) known[slot] = fresh;
  return fresh;
}

function readText(length: number): string {
  const start = at;
  const end = start + length;
  if (end > bytes.length) throw new Refused(cutOff);
  at = end;
  // Below this a loop beats the call into the platform, which costs 60 ns before it reads a byte.
  if (length > 12) return strictUtf8(start, end);
  let text = '';
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte > 0x7f) return strictUtf8(start, end);
    text += String.fromCharCode(byte);
  }
  return text;
}

function strictUtf8(start: number, end: number): string {
  try {
    return decodeUtf8(bytes.subarray(start, end));
  } catch {
    throw new Refused('a string is not UTF-8');
  }
}
