import { appendPrelude } from './append-prelude.ts';
import type { RedisScript } from './script.ts';

/**
 * Changes records, ranked lists and topics of one home together.
 * Guarantee: all of it or nothing. Everything that can refuse is looked at before anything is written.
 *
 * ARGV[1..4]  see append-prelude.ts
 * ARGV[5..9]  how many expects, puts, deletes, ranks and lists to keep
 * then        expects: rev · puts: value, ttl ms or '' · ranks: member, score or '' · lists: ttl ms · the appends
 * KEYS        a record for each expect, put and delete, a list for each rank and each to keep, then the keys of the appends
 * Result      one string: the time and the tokens of the appends; '!' a record is at another rev; '!!' an append is refused
 */
export const commitScript = (sharded: boolean): RedisScript => ({
  name: 'awCommit',
  lua: `${appendPrelude(sharded ? 'SPUBLISH' : 'PUBLISH')}
local expects, puts, dels, ranks = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local lists = tonumber(ARGV[9])
local revs = {}
for i = 1, expects do
  local rev = tonumber(ARGV[9 + i])
  if (tonumber(call('HGET', KEYS[i], 'r')) or 0) ~= rev then return '!' end
  revs[KEYS[i]] = rev
end
local k, a = expects, 9 + expects
local appendKeys, appendArgs = k + puts + dels + ranks + lists + 1, a + 2 * puts + 2 * ranks + lists + 1
if not appendAll(appendKeys, appendArgs, true) then return '!!' end
for i = 1, puts do
  local key, value, ttl = KEYS[k + i], ARGV[a + 2 * i - 1], ARGV[a + 2 * i]
  local rev = revs[key]
  if rev then
    rev = rev + 1
    call('HSET', key, 'v', value, 'r', rev)
  else
    rev = call('HINCRBY', key, 'r', 1)
    call('HSET', key, 'v', value)
  end
  revs[key] = rev
  if ttl ~= '' then call('PEXPIRE', key, ttl) elseif rev > 1 then call('PERSIST', key) end
end
k, a = k + puts, a + 2 * puts
for i = 1, dels do call('DEL', KEYS[k + i]) end
k = k + dels
for i = 1, ranks do
  local member, score = ARGV[a + 2 * i - 1], ARGV[a + 2 * i]
  if score == '' then call('ZREM', KEYS[k + i], member) else call('ZADD', KEYS[k + i], score, member) end
end
k, a = k + ranks, a + 2 * ranks
for i = 1, lists do
  local key, ttl = KEYS[k + i], tonumber(ARGV[a + i])
  if call('PTTL', key) < ttl then call('PEXPIRE', key, ttl) end
end
return nowText .. ' ' .. table.concat(appendAll(appendKeys, appendArgs, false), ' ')
`,
});
