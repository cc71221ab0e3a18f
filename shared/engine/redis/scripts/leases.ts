import type { RedisScript } from './script.ts';

/**
 * KEYS of all five: the group's sorted set (member by the time its lease runs out; once it was given to a reaper, by that
 * time below zero) and its hash (member: 'since value').
 * The server's clock decides. Both keys are dropped an hour after the last lease at the latest, so that a group which
 * nobody reaps leaves nothing behind.
 */
const leasePrelude = `
local call, expiries, values = redis.call, KEYS[1], KEYS[2]
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function held(member)
  local expiry = call('ZSCORE', expiries, member)
  return expiry and tonumber(expiry) > now
end
local function described(members)
  local out = {}
  if #members == 0 then return out end
  for i, stored in ipairs(call('HMGET', values, unpack(members))) do
    local since, value = string.match(stored or '0 ', '^(%d+) (.*)$')
    out[3 * i - 2], out[3 * i - 1], out[3 * i] = members[i], since, value
  end
  return out
end
`;

/**
 * Takes or renews.
 * ARGV    ttl ms, then member and value of each
 * Result  the members that were not held before
 */
export const holdScript: RedisScript = {
  name: 'awHold',
  lua: `${leasePrelude}
local ttl, joined = tonumber(ARGV[1]), {}
for i = 2, #ARGV, 2 do
  local member, since = ARGV[i], nil
  if held(member) then
    since = string.match(call('HGET', values, member) or '', '^%d+')
  else
    joined[#joined + 1] = member
  end
  call('ZADD', expiries, string.format('%d', now + ttl), member)
  call('HSET', values, member, (since or string.format('%d', now)) .. ' ' .. ARGV[i + 1])
end
local keep = ttl + 3600000
if call('PTTL', expiries) < keep then
  call('PEXPIRE', expiries, keep)
  call('PEXPIRE', values, keep)
end
return joined
`,
};

/**
 * Gives up. A lease that ran out already is left for the one who reaps: somebody must hear of its end.
 * ARGV    the members
 * Result  those that were held
 */
export const dropScript: RedisScript = {
  name: 'awDrop',
  lua: `${leasePrelude}
local left = {}
for _, member in ipairs(ARGV) do
  if held(member) then
    call('ZREM', expiries, member)
    call('HDEL', values, member)
    left[#left + 1] = member
  end
end
return left
`,
};

/**
 * Result  a flat array: member, since, value of each whose lease runs now
 */
export const listScript: RedisScript = {
  name: 'awList',
  lua: `${leasePrelude}
local out = {}
local members = call('ZRANGEBYSCORE', expiries, '(' .. string.format('%d', now), '+inf')
for from = 1, #members, 1000 do
  local some = {}
  for i = from, math.min(from + 999, #members) do some[#some + 1] = members[i] end
  for _, part in ipairs(described(some)) do out[#out + 1] = part end
end
return out
`,
};

const reapedAtOnce = 1000;
/** So long whoever was given one that ran out has it for itself. */
const handedMs = 5000;

/**
 * Gives out those whose lease ran out, so many a call.
 * Guarantee: each goes to one caller, and after a while to everybody who asks, until it is forgotten.
 * Result  '1' where there are others, then a flat array: member, since, value and for how many ms it has been given of each
 */
export const reapScript: RedisScript = {
  name: 'awReap',
  lua: `${leasePrelude}
local text = string.format('%d', now)
local found = call('ZRANGEBYSCORE', expiries, string.format('%d', ${handedMs} - now), text, 'WITHSCORES', 'LIMIT', 0, ${reapedAtOnce})
local members, given, first = {}, {}, {}
for i = 1, #found, 2 do
  local score = tonumber(found[i + 1])
  members[#members + 1] = found[i]
  given[#given + 1] = score < 0 and string.format('%d', now + score) or '0'
  if score >= 0 then
    first[#first + 1] = '-' .. text
    first[#first + 1] = found[i]
  end
end
if #first > 0 then call('ZADD', expiries, unpack(first)) end
local out = { call('ZCOUNT', expiries, '-inf', text) > #members and '1' or '' }
for i, part in ipairs(described(members)) do
  out[#out + 1] = part
  if i % 3 == 0 then out[#out + 1] = given[i / 3] end
end
return out
`,
};

/**
 * Takes out those that stand at a value, whether or not their lease runs.
 * ARGV    'ended' for those only whose lease does not run, or ''; then member and value of each
 * Result  an empty array
 */
export const forgetScript: RedisScript = {
  name: 'awForget',
  lua: `${leasePrelude}
for i = 2, #ARGV, 2 do
  local member = ARGV[i]
  local stored = not (ARGV[1] == 'ended' and held(member)) and call('HGET', values, member)
  if stored and string.sub(stored, string.find(stored, ' ', 1, true) + 1) == ARGV[i + 1] then
    call('ZREM', expiries, member)
    call('HDEL', values, member)
  end
end
return {}
`,
};
