import type { RedisScript } from './script.ts';

/**
 * Adds to a counter that starts again at 0 when nobody touches it for its time.
 *
 * KEYS    the counter
 * ARGV    by, ttl ms
 * Result  the value after adding
 */
export const counterScript: RedisScript = {
  name: 'awCount',
  lua: `
local value = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return value
`,
};
