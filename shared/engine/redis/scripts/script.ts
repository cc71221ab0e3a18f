import type { Redis } from 'ioredis';

/** One Lua script. `name` is how ioredis calls it, and what an error report names. */
export interface RedisScript {
  readonly name: string;
  readonly lua: string;
}

/** `args`: the number of keys, the keys, ARGV. */
export function callScript(
  redis: Redis,
  { name, lua }: RedisScript,
  args: string[],
  asking: boolean,
): Promise<unknown> {
  if (!asking) return (redis as unknown as Record<string, (args: string[]) => Promise<unknown>>)[name]!(args);
  // ASKING is good for the next command only: a hash that this node does not know yet would use it up.
  redis.asking().catch(() => undefined);
  return redis.call('EVAL', lua, ...args);
}
