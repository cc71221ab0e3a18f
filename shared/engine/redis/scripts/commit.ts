import { appendPrelude } from './append-prelude.ts';
import type { RedisScript } from './script.ts';

/**
 * Changes records, ranked lists and topics of one home together; several commits in one call, each by itself and in order.
 * Guarantee: of each commit all or nothing. Everything that can refuse it is looked at before anything is written.
 *
 * ARGV[1..4]  see append-prelude.ts
 * ARGV[5]     how many commits; then for each
 *             how many keys and how many words are its own · how many expects, puts, deletes, ranks and lists ·
 *             expects: rev · puts: value, ttl ms or '' · ranks: member, score or '' · lists: ttl ms · the appends
 * KEYS        for each: a record for each expect, put and delete, a list for each rank and list, the keys of the appends
 * Result      one string, a line for each: the time and the tokens of the appends; '!' a record is at another rev;
 *             '!!' an append is refused
 */
export const commitScript = (sharded: boolean): RedisScript => ({
  name: 'awCommit',
  lua: `${appendPrelude(sharded ? 'SPUBLISH' : 'PUBLISH')}
local function commit(k, a)
  local expects, puts, dels = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  local ranks, lists = tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
  local revs = {}
  a = a + 5
  for i = 1, expects do
    local key, rev = KEYS[k + i], tonumber(ARGV[a + i])
    if (tonumber(call('HGET', key, 'r')) or 0) ~= rev then return '!' end
    revs[key] = rev
  end
  k, a = k + expects, a + expects
  local appendKeys, appendArgs = k + puts + dels + ranks + lists + 1, a + 2 * puts + 2 * ranks + lists + 1
  metasSeen = nil
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
  return nowText .. ' ' .. concat(appendAll(appendKeys, appendArgs, false), ' ')
end

local answers, k, a = {}, 0, 5
for i = 1, tonumber(ARGV[5]) do
  local ownKeys, ownWords = ARGV[a + 1], ARGV[a + 2]
  answers[i] = commit(k, a + 2)
  k, a = k + ownKeys, a + 2 + ownWords
end
return concat(answers, '\\n')
`,
});
