import { shortId } from '../../base/ids.ts';

let left = 0;
let stem = '';

/**
 * A name for a numbering that may have to begin. Every append carries one and hardly any is used, so most are made by
 * counting on from a random stem instead of from fresh random bytes.
 */
export function newEpoch(): string {
  if (left === 0) {
    stem = shortId(8);
    left = 1296;
  }
  left--;
  return stem + left.toString(36);
}
