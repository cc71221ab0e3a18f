/** One Lua script. `name` is how ioredis calls it, and what an error report names. */
export interface RedisScript {
  readonly name: string;
  readonly lua: string;
}
