import type { RedisScript } from './script.ts';

/**
 * Records as they stand at one moment; changes nothing.
 *
 * KEYS    the records
 * Result  a flat array: value and rev of each, null for one that is not there
 */
export const recordsScript: RedisScript = {
  name: 'awRecords',
  lua: `
local out = {}
for i, key in ipairs(KEYS) do
  local m = redis.call('HMGET', key, 'v', 'r')
  out[2 * i - 1], out[2 * i] = m[1], m[2]
end
return out
`,
};

/**
 * A page of a ranked list.
 * Guarantee: a key that stays where it is, is neither left out nor repeated over the pages, also when the key that the
 * cursor names is gone: its place is found by halving. Bytes are compared by hand, because Lua's own order of strings
 * depends on the server's locale and a sorted set's does not.
 *
 * KEYS    the list
 * ARGV    limit, '1' for highest first, and where there is a cursor: its score and key
 * Result  a flat array: key and score of each
 */
export const pageScript: RedisScript = {
  name: 'awPage',
  lua: `
local call, list = redis.call, KEYS[1]
local limit, reverse = tonumber(ARGV[1]), ARGV[2] == '1'

local function below(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- How many stand before (score, key), and whether it stands there itself.
local function placeOf(score, key)
  local low = call('ZCOUNT', list, '-inf', '(' .. score)
  local high = low + call('ZCOUNT', list, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if below(call('ZRANGE', list, middle, middle)[1], key) then low = middle + 1 else high = middle end
  end
  return low, call('ZRANGE', list, low, low)[1] == key
end

if not ARGV[3] then
  return call(reverse and 'ZREVRANGE' or 'ZRANGE', list, 0, limit - 1, 'WITHSCORES')
end
local place, there = placeOf(ARGV[3], ARGV[4])
if not reverse then
  local from = there and place + 1 or place
  return call('ZRANGE', list, from, from + limit - 1, 'WITHSCORES')
end
local from = call('ZCARD', list) - place
return call('ZREVRANGE', list, from, from + limit - 1, 'WITHSCORES')
`,
};
