import { fail, ok } from '../base/errors.ts';
import type { Result } from '../base/errors.ts';
import { notPlain } from '../wire/plain.ts';

/** What is kept for somebody, as JSON: plain data only, and no more of it than a frame may bring. `name` is for the error. */
export function boundedJson(name: string, value: unknown, mostBytes: number): Result<string> {
  const fault = notPlain(value);
  if (fault !== undefined) return fail('bad_request', `${name} is refused: ${fault}`);
  const text = JSON.stringify(value);
  // A unit of a string is at most three bytes of UTF-8, so most need no counting.
  const tooLong = text.length * 3 > mostBytes && Buffer.byteLength(text) > mostBytes;
  return tooLong ? fail('payload_too_large', `${name} is over ${mostBytes} bytes`) : ok(text);
}
