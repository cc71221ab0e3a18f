/**
 * Lua shared by the scripts that append (append, commit). Not a script of its own.
 *
 * ARGV[1] candidate   the name of a new epoch, should a topic need one
 * ARGV[2] historyTtl  ms that events are kept
 * ARGV[3] metaTtl     ms that a numbering outlives its events
 *
 * `appendAll(k, a, dry)` reads what append-call.ts encoded, from KEYS[k] and ARGV[a] on:
 *   ARGV: number of partitions; for each: base of its topics' channels, its own channel, number of topics;
 *         for each topic: topic, n, known epoch, known seq, keep, mode;
 *         then n bodies (mode p), or n times flags, body [, messageId] [, fence] (modes o and d)
 *   KEYS: for each partition: index; for each topic: meta, stream [, two buckets of message ids (mode d)]
 * flags: m messageId follows, f fence follows, e ephemeral, s seal.
 *
 * It returns tokens: one for a topic in mode p, else one an event.
 *   <seq>                 in the known epoch, at the time of the call
 *   <seq>:<ts>:<epoch>    otherwise (ephemeral: 0, no epoch)
 *   =<seq>:<ts>:<epoch>   a duplicate of that event
 *   !                     refused: sealed, or a higher fence was seen
 * With `dry` nothing is changed, and it returns false where an event would be refused, else true.
 *
 * Meta of a topic: e epoch, q seq, t ts, x when the expiries and the index were last refreshed, k keep, f fence, z sealed.
 *
 * In a cluster each partition is a call of its own and PUBLISH becomes SPUBLISH (both channels carry the partition's tag).
 */
export const appendPrelude = `
local call, try = redis.call, redis.pcall
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local nowText = string.format('%d', now)
local candidate = ARGV[1]
local historyTtl, metaTtl = tonumber(ARGV[2]), ARGV[3]
local REFRESH, BUCKET = 1000, 120000

-- The topic as it stands; 'fresh' when a new epoch has to begin: the meta is gone, or its head is below what the caller saw.
local function open(meta, stream, knownEpoch, knownSeq)
  local m = call('HMGET', meta, 'e', 'q', 't', 'x', 'k', 'f', 'z')
  local e, q = m[1], m[2]
  if e and q then
    q = tonumber(q)
    if e ~= knownEpoch or q >= tonumber(knownSeq) then return false, e, q, m[3], m[4], m[5], m[6], m[7] end
    return true, candidate, q, m[3], false, false, m[6], m[7]
  end
  local last = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if last then return true, candidate, tonumber(string.match(last[1], '^%d+')), last[2][2], false, false, m[6], m[7] end
  return true, candidate, 0, false, false, false, m[6], m[7]
end

-- The first event of a call may meet a stream that is ahead of its meta (data came back in parts): numbering then goes
-- on behind the stream's last id instead of failing. Returns the seq, and whether it had to jump.
local function addFirst(stream, keep, seq, ts, body)
  local done = try('XADD', stream, 'MAXLEN', '~', keep, seq .. '-0', 't', ts, 'b', body)
  if type(done) ~= 'table' or not done.err then return seq, false end
  if not string.find(done.err, 'equal or smaller', 1, true) then error(done.err) end
  local info = call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then seq = tonumber(string.match(info[i + 1], '^%d+')) + 1 end
  end
  call('XADD', stream, 'MAXLEN', '~', keep, seq .. '-0', 't', ts, 'b', body)
  return seq, true
end

local function trimByAge(stream)
  local limit = now - historyTtl
  local first = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if not first or tonumber(first[2][2]) >= limit then return end
  local id
  for _, entry in ipairs(call('XRANGE', stream, '-', '+', 'COUNT', 128)) do
    id = entry[1]
    if tonumber(entry[2][2]) >= limit then break end
  end
  call('XTRIM', stream, 'MINID', id)
end

-- Index and expiries are refreshed once a second per topic only: they would double the cost of an append.
local function write(index, meta, stream, topic, fresh, e, last, ts, x, k, keep)
  if not fresh and x and ts - x < REFRESH then
    if k == keep then call('HSET', meta, 'q', last, 't', ts)
    else call('HSET', meta, 'q', last, 't', ts, 'k', keep) end
    return
  end
  call('HSET', meta, 'e', e, 'q', last, 't', ts, 'x', ts, 'k', keep)
  call('PEXPIRE', meta, metaTtl)
  call('PEXPIRE', stream, historyTtl + REFRESH)
  call('ZADD', index, ts, topic)
  call('ZREMRANGEBYSCORE', index, '-inf', now - historyTtl - 2 * REFRESH)
  trimByAge(stream)
end

local function token(seq, ts, e, knownEpoch)
  if e == knownEpoch and ts == nowText then return seq end
  return seq .. ':' .. ts .. ':' .. e
end

local function appendPlain(out, index, meta, stream, topic, n, knownEpoch, knownSeq, keep, a)
  local fresh, e, q, t, x, k, f, z = open(meta, stream, knownEpoch, knownSeq)
  if z then
    out[#out + 1] = '!'
    return nil
  end
  local ts = nowText
  if t and tonumber(t) > now then ts = t end
  local seq, jumped = addFirst(stream, keep, q + 1, ts, ARGV[a])
  if jumped and not fresh then fresh, e = true, candidate end
  for i = 1, n - 1 do
    call('XADD', stream, 'MAXLEN', '~', keep, (seq + i) .. '-0', 't', ts, 'b', ARGV[a + i])
  end
  write(index, meta, stream, topic, fresh, e, string.format('%d', seq + n - 1), ts, x, k, keep)
  out[#out + 1] = token(seq, ts, e, knownEpoch)
  local head = e .. ' ' .. seq .. ' ' .. ts .. ' ' .. (t or '0') .. ' ' .. topic .. '\\n'
  if n == 1 then return head .. ARGV[a] end
  return head .. table.concat(ARGV, '\\n', a, a + n - 1)
end

-- What was remembered of these ids. Two buckets of two minutes take turns, each gone when its turn comes again.
local function recall(older, newer, ids)
  local known = {}
  local a, b = call('HMGET', newer, unpack(ids)), call('HMGET', older, unpack(ids))
  for i, id in ipairs(ids) do known[id] = a[i] or b[i] or nil end
  return known
end

local function appendCareful(out, index, meta, stream, buckets, topic, n, knownEpoch, knownSeq, keep, a, dry)
  local flags, bodies, ids, fences, asked = {}, {}, {}, {}, {}
  for i = 1, n do
    local flag = ARGV[a]
    flags[i], bodies[i], a = flag, ARGV[a + 1], a + 2
    if string.find(flag, 'm', 1, true) then ids[i], asked[#asked + 1], a = ARGV[a], ARGV[a], a + 1 end
    if string.find(flag, 'f', 1, true) then fences[i], a = tonumber(ARGV[a]), a + 1 end
  end
  local turn = math.floor(now / BUCKET)
  local known = {}
  if #asked > 0 then known = recall(buckets[(turn + 1) % 2 + 1], buckets[turn % 2 + 1], asked) end
  local fresh, e, q, t, x, k, f, z = open(meta, stream, knownEpoch, knownSeq)
  local ts, kept, remember, lines, inBlock, raised = nowText, 0, {}, {}, false, false
  local seq, before = q, t or '0'
  f = f and tonumber(f)
  if t and tonumber(t) > now then ts = t end
  for i = 1, n do
    local id, fence = ids[i], fences[i]
    if id and known[id] then
      out[#out + 1] = '=' .. known[id]
    elseif z or (fence and f and fence < f) then
      if dry then return nil, a, true end
      out[#out + 1] = '!'
    else
      if string.find(flags[i], 'e', 1, true) then
        out[#out + 1] = '0:' .. ts .. ':'
        lines[#lines + 1] = '- 0 ' .. ts .. ' ' .. before .. ' ' .. topic
        lines[#lines + 1] = bodies[i]
        inBlock = false
      else
        if fence and (not f or fence > f) then f, raised = fence, true end
        seq = seq + 1
        if not dry then
          if kept == 0 then
            local jumped
            seq, jumped = addFirst(stream, keep, seq, ts, bodies[i])
            if jumped and not fresh then fresh, e = true, candidate end
          else
            call('XADD', stream, 'MAXLEN', '~', keep, seq .. '-0', 't', ts, 'b', bodies[i])
          end
        end
        if not inBlock then
          lines[#lines + 1] = e .. ' ' .. seq .. ' ' .. ts .. ' ' .. before .. ' ' .. topic
          inBlock = true
        end
        lines[#lines + 1] = bodies[i]
        kept, before = kept + 1, ts
        out[#out + 1] = token(seq, ts, e, knownEpoch)
        if id then
          known[id] = seq .. ':' .. ts .. ':' .. e
          remember[#remember + 1], remember[#remember + 2] = id, known[id]
        end
        if string.find(flags[i], 's', 1, true) then z = true end
      end
    end
  end
  if dry then return nil, a, false end
  if kept > 0 then
    write(index, meta, stream, topic, fresh, e, string.format('%d', seq), ts, x, k, keep)
    if z then call('HSET', meta, 'z', '1') end
  end
  if raised then call('HSET', meta, 'f', string.format('%d', f)) end
  if #remember > 0 then
    local bucket = buckets[turn % 2 + 1]
    call('HSET', bucket, unpack(remember))
    call('PEXPIREAT', bucket, (turn + 2) * BUCKET)
  end
  if #lines > 0 then return table.concat(lines, '\\n'), a, false end
  return nil, a, false
end

local function appendAll(k, a, dry)
  local out = {}
  local partitions = tonumber(ARGV[a])
  a = a + 1
  for _ = 1, partitions do
    local channels, channel, topics, index, blocks = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2]), KEYS[k], {}
    a, k = a + 3, k + 1
    for _ = 1, topics do
      local topic, n, mode = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 5]
      local block
      if mode == 'p' then
        block = appendPlain(out, index, KEYS[k], KEYS[k + 1], topic, n, ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], a + 6)
        a, k = a + 6 + n, k + 2
      else
        local refused
        block, a, refused = appendCareful(out, index, KEYS[k], KEYS[k + 1], { KEYS[k + 2], KEYS[k + 3] },
          topic, n, ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], a + 6, dry)
        if refused then return false end
        k = k + (mode == 'd' and 4 or 2)
      end
      if block then
        call('PUBLISH', channels .. topic, block)
        blocks[#blocks + 1] = block
      end
    end
    if blocks[1] then call('PUBLISH', channel, table.concat(blocks, '\\n')) end
  end
  if dry then return true end
  return out
end
`;
