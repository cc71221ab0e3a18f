import { appendCareful } from './append-careful.ts';
import { metaPattern } from './meta.ts';

/**
 * Lua shared by the scripts that append (append, commit). Not a script of its own.
 *
 * ARGV[1] candidate    the name of a new epoch, should a topic need one
 * ARGV[2] historyTtl   ms that events are kept
 * ARGV[3] metaTtl      ms that a numbering outlives its events
 * ARGV[4] historySize  how many events of a topic to keep
 *
 * `appendAll(k, a, dry)` reads what append-call.ts encoded, from KEYS[k] and ARGV[a] on:
 *   ARGV: number of topics, number of partitions, channel of all topics; for each partition: base of its topics'
 *         channels, number of its topics; for each topic: topic, n, known epoch, known seq, mode; then
 *         mode p: n bodies
 *         mode c: number of message ids, n flags, n bodies, the ids, and for each event its fence and keep
 *   KEYS: the metas of all topics; for each partition: index; for each topic: stream, in mode c with ids also its two
 *         buckets of message ids
 * flags: m has a messageId, f a fence, k a keep, e ephemeral, s seal, r retain.
 *
 * It returns tokens: one for a topic in mode p, else one an event.
 *   <seq>                 in the known epoch, at the time of the call
 *   <seq>:<ts>:<epoch>    otherwise (ephemeral: 0, no epoch)
 *   =<seq>:<ts>:<epoch>   a duplicate of that event
 *   !                     refused: sealed, or a higher fence was seen
 * With `dry` nothing is changed, and it returns false where an event would be refused, else true.
 *
 * What it costs is spent on calls of Redis commands from Lua and on turning numbers into text, not on the data: so
 * metas are read by one MGET, numbers stay text wherever they can, and what is rarely needed is done once a second.
 *
 * In a cluster each partition is a call of its own and PUBLISH becomes SPUBLISH (both channels carry the partition's tag).
 */
export const appendPrelude = (publish: 'PUBLISH' | 'SPUBLISH'): string => `
local call, try = redis.call, redis.pcall
local format, concat, match, find, sub = string.format, table.concat, string.match, string.find, string.sub
${metaPattern}
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local nowText, second = format('%d', now), clock[1]
local candidate, metaTtl = ARGV[1], ARGV[3]
local historyTtl, size = tonumber(ARGV[2]), tonumber(ARGV[4])
local REFRESH, BUCKET, TRIM = 1000, 120000, 32
-- What a dry run saw of topics: nothing changes them between it and the real one.
local metasSeen = nil

-- The topic as it stands; 'fresh' when a new epoch has to begin: the meta is gone, or its head is below what the caller saw.
local function open(stored, knownEpoch, knownSeq)
  if not stored then return true, candidate, '0', false, '', '1', '-', '-', '?' end
  local e, q, t, x, first, rare = match(stored, META)
  local f, z, d = '-', '-', '-'
  if rare ~= '' then f, z, d = match(rare, RARE) end
  if q == knownSeq or e ~= knownEpoch or tonumber(q) >= tonumber(knownSeq) then
    return false, e, q, t, x, first, f, z, d
  end
  return true, candidate, q, t, x, first, f, z, d
end

-- Of a topic without a meta, whose events may be there all the same.
local function lastTime(stream)
  local last = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  return last and last[2][1] or '0'
end

local function isSealed(stored, knownEpoch, knownSeq)
  local _, _, _, _, _, _, _, z = open(stored, knownEpoch, knownSeq)
  return z ~= '-'
end

-- The first event of a call may meet a stream that is ahead of its meta, or has none (data came back in parts):
-- numbering then goes on behind the stream's last id instead of failing, and time behind its last event. To look
-- beforehand would cost each topic's first event a command. Returns seq and ts, and the last event's time where it jumped.
local function addFirst(stream, seq, ts, body)
  local done = try('XADD', stream, seq .. '-0', ts, body)
  if type(done) ~= 'table' or not done.err then return seq, ts end
  if not find(done.err, 'equal or smaller', 1, true) then error(done.err) end
  local info, before = call('XINFO', 'STREAM', stream), '0'
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then seq = format('%d', match(info[i + 1], '^%d+') + 1) end
    if info[i] == 'last-entry' and info[i + 1] then before = info[i + 1][2][1] end
  end
  if before > ts then ts = before end
  call('XADD', stream, seq .. '-0', ts, body)
  return seq, ts, before
end

local function trimByAge(stream)
  local limit = now - historyTtl
  local first = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if not first or tonumber(first[2][1]) >= limit then return end
  local id
  for _, entry in ipairs(call('XRANGE', stream, '-', '+', 'COUNT', 128)) do
    id = entry[1]
    if tonumber(entry[2][1]) >= limit then break end
  end
  call('XTRIM', stream, 'MINID', id)
end

-- Index and expiries are refreshed once a second per topic only: they would double the cost of an append; and what is
-- old leaves an index once a call, however many topics of it are refreshed. A retained
-- event has the negative of its time in the index, so what is too old stands in the middle of it: from the retained ones
-- whose numbering ran out, to the others that are as old as events get. Its second has a leading zero, for the index has
-- to be told as well when an event that is retained follows one that is not.
local tidied = nil
local function write(index, meta, stream, topic, fresh, e, last, ts, x, first, f, z, d, retained, before)
  local mark = retained and '0' .. second or second
  local value = e .. ' ' .. last .. ' ' .. ts .. ' ' .. mark .. ' ' .. first
  if f ~= '-' or z ~= '-' or d ~= '-' or retained then value = value .. ' ' .. f .. ' ' .. z .. ' ' .. d end
  if retained then value = value .. '\\n' .. retained end
  if x == mark and not fresh then
    call('SET', meta, value, 'KEEPTTL')
    return
  end
  call('SET', meta, value, 'PX', metaTtl)
  call('PEXPIRE', stream, historyTtl + REFRESH)
  call('ZADD', index, retained and '-' .. ts or ts, topic)
  if index ~= tidied then
    tidied = index
    call('ZREMRANGEBYSCORE', index, metaTtl + 2 * REFRESH - now, now - historyTtl - 2 * REFRESH)
  end
  if before ~= '0' then trimByAge(stream) end
end

-- 'first' says what counts as kept. The stream itself is trimmed now and then, by whole nodes, which costs next to nothing.
local function firstKept(stream, first, from, last, keep)
  local lowest = last - keep + 1
  if lowest <= 1 or lowest <= tonumber(first) then return first end
  if last % TRIM <= last - from then call('XTRIM', stream, 'MAXLEN', '~', keep) end
  return format('%d', lowest)
end

local function token(seq, ts, e, knownEpoch)
  if e == knownEpoch and ts == nowText then return seq end
  return seq .. ':' .. ts .. ':' .. e
end

local function appendPlain(out, index, stored, meta, stream, topic, n, knownEpoch, knownSeq, a)
  local fresh, e, q, t, x, first, f, z, d = open(stored, knownEpoch, knownSeq)
  if z ~= '-' then
    out[#out + 1] = '!'
    return nil
  end
  local ts = nowText
  if t and t > ts then ts = t end
  local from = q + 1
  local seq, at, jumped = addFirst(stream, format('%d', from), ts, ARGV[a])
  local before = t or '0'
  if jumped then
    from, ts, before = tonumber(seq), at, jumped
    if not fresh then fresh, e = true, candidate end
  end
  local last, bodies = seq, ARGV[a]
  if n > 1 then
    for i = 1, n - 1 do
      last = format('%d', from + i)
      call('XADD', stream, last .. '-0', ts, ARGV[a + i])
    end
    bodies = concat(ARGV, '\\n', a, a + n - 1)
  end
  first = firstKept(stream, first, from, from + n - 1, size)
  write(index, meta, stream, topic, fresh, e, last, ts, x, first, f, z, d == '?' and '-' or d, false, before)
  out[#out + 1] = token(seq, ts, e, knownEpoch)
  return e .. ' ' .. seq .. ' ' .. ts .. ' ' .. before .. ' ' .. topic .. '\\n' .. bodies
end

${appendCareful}

local function appendAll(k, a, dry)
  local out, number, topics, partitions = {}, 1, tonumber(ARGV[a]), tonumber(ARGV[a + 1])
  local whole, blocks = ARGV[a + 2], {}
  if topics == 0 then return not dry and out or true end
  local metas = k
  local stored = metasSeen or call('MGET', unpack(KEYS, k, k + topics - 1))
  metasSeen = stored
  a, k = a + 3, k + topics
  for _ = 1, partitions do
    local channels, some, index = ARGV[a], tonumber(ARGV[a + 1]), KEYS[k]
    a, k = a + 2, k + 1
    for _ = 1, some do
      local topic, n, knownEpoch, knownSeq, block = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2], ARGV[a + 3], nil
      local meta, stream, was = KEYS[metas], KEYS[k], stored[number]
      metas, number, k = metas + 1, number + 1, k + 1
      if ARGV[a + 4] == 'p' then
        if not dry then
          block = appendPlain(out, index, was, meta, stream, topic, n, knownEpoch, knownSeq, a + 5)
        elseif isSealed(was, knownEpoch, knownSeq) then
          return false
        end
        a = a + 5 + n
      else
        local buckets, may, past, refused = nil, true, nil, nil
        if ARGV[a + 5] ~= '0' then buckets, k = { KEYS[k], KEYS[k + 1] }, k + 2 end
        if dry then may, past = mayRefuse(was, n, knownEpoch, knownSeq, a + 5) end
        if may then
          block, past, refused = appendCareful(out, index, was, meta, stream, buckets, topic, n, knownEpoch, knownSeq, a + 5, dry)
          if refused then return false end
        end
        a = past
      end
      if block then
        call('${publish}', channels .. topic, block)
        blocks[#blocks + 1] = block
      end
    end
  end
  if blocks[1] then call('${publish}', whole, blocks[2] and concat(blocks, '\\n') or blocks[1]) end
  return dry or out
end
`;
