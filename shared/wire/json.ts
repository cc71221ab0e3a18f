import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import { maxDepth, notPlain } from './plain.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

/** Integers beyond 2^53 lose their last digits here, as JSON's do in every JavaScript program: send such as text. */
export function decodeJson(input: Uint8Array | string, depth = maxDepth): Result<unknown> {
  let value: unknown;
  try {
    value = JSON.parse(typeof input === 'string' ? input : decodeUtf8(input));
  } catch {
    return fail('bad_frame', 'not JSON in UTF-8');
  }
  // The parser takes `__proto__` for a name like others, 1e400 for Infinity, and any depth without complaint.
  const fault = notPlain(value, depth);
  return fault === undefined ? ok(value) : fail('bad_frame', fault);
}

/** For values of our own making, which are plain; anything else is a bug and throws. */
export function encodeJson(value: unknown): Uint8Array {
  return encodeUtf8(JSON.stringify(value));
}
