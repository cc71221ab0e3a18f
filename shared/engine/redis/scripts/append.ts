import { appendPrelude } from './append-prelude.ts';
import type { RedisScript } from './script.ts';

/**
 * Appends many events of many topics in one call: numbers, keeps, indexes and publishes them.
 * Guarantee: events of a topic get consecutive numbers in the order given, and whoever reads sees all of the call or
 * nothing. A refused event does not keep the others out.
 *
 * KEYS, ARGV  see append-prelude.ts; the appends begin at KEYS[1] and ARGV[5].
 * Result      one string: the time of the call and the tokens, separated by spaces. One bulk reply is parsed several
 *             times faster than an array of small ones.
 */
export const appendScript = (sharded: boolean): RedisScript => ({
  name: 'awAppend',
  lua: `${appendPrelude(sharded ? 'SPUBLISH' : 'PUBLISH')}
return nowText .. ' ' .. table.concat(appendAll(1, 5, false), ' ')
`,
});
