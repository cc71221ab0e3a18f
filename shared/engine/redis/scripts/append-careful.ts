/**
 * Lua of append-prelude.ts for the events that ask for more than to be appended: those with a message id, a fence, a
 * count of their own to keep, ephemeral, last and retained ones. Each is looked at and answered for itself.
 */
export const appendCareful = `-- Message ids are remembered in two buckets of two minutes that take turns, each gone when its turn comes again. The
-- meta's last word says which of them hold anything: '<turn>' the bucket of that turn, '<turn>+' the one before it too.
local turn = math.floor(now / BUCKET)
local function bucketsInUse(d, newer, older)
  if d == '-' then return false, false end
  local latest, before = match(d, '^(%d+)(%+?)$')
  latest = tonumber(latest)
  -- Without a meta, or with a clock that went back, nothing is known.
  if not latest or latest > turn then return call('EXISTS', newer) == 1, call('EXISTS', older) == 1 end
  if latest == turn then return true, before == '+' end
  return false, latest == turn - 1
end

local flagSets = {}
local function flagsOf(text)
  local flags = flagSets[text]
  if not flags then
    flags = {}
    for i = 1, #text do flags[sub(text, i, i)] = true end
    flagSets[text] = flags
  end
  return flags
end

-- Whether one of these may be refused, unless it is a duplicate; and where they end. Nearly always none is, and what is
-- remembered of message ids need not be asked then.
local function mayRefuse(stored, n, knownEpoch, knownSeq, a)
  local _, _, _, _, _, _, f, z = open(stored, knownEpoch, knownSeq)
  local fenced, sealed, may = tonumber(f), z ~= '-', false
  local extraAt = a + 2 * n + tonumber(ARGV[a]) + 1
  for i = 1, n do
    local flags = flagsOf(ARGV[a + i])
    may = may or sealed
    if flags.f then
      local fence = tonumber(ARGV[extraAt])
      extraAt = extraAt + 1
      may = may or fenced and fence < fenced
      fenced = fence
    end
    if flags.k then extraAt = extraAt + 1 end
    sealed = sealed or flags.s
  end
  return may, extraAt
end

local function appendCareful(out, index, stored, meta, stream, buckets, topic, n, knownEpoch, knownSeq, a, dry)
  local fresh, e, q, t, x, first, f, z, d = open(stored, knownEpoch, knownSeq)
  local ids = tonumber(ARGV[a])
  local flagAt, bodyAt, idAt = a, a + n, a + 2 * n
  local extraAt = idAt + ids + 1
  local inUse, wasInUse, newer, older, lone, newerKey, olderKey, planned = false, false, nil, nil, false, nil, nil, nil
  if ids > 0 then
    newerKey, olderKey = buckets[turn % 2 + 1], buckets[(turn + 1) % 2 + 1]
    inUse, wasInUse = bucketsInUse(d, newerKey, olderKey)
    -- One event that nothing can refuse: to look and to remember is one command then, which saves a tenth.
    local flags = ARGV[flagAt + 1]
    lone = inUse and n == 1 and (flags == 'm' or flags == 'mr') and z == '-' and not dry
    if inUse and not lone then newer = call('HMGET', newerKey, unpack(ARGV, idAt + 1, idAt + ids)) end
    if wasInUse then older = call('HMGET', olderKey, unpack(ARGV, idAt + 1, idAt + ids)) end
  end
  local ts, seq, before, kept, asked, inBlock = nowText, q, t or '0', 0, 0, false
  local known, remember, lines = {}, {}, {}
  local fenced, sealed, retained, latest = tonumber(f), z ~= '-', nil, before
  if t and t > ts then ts = t end
  for i = 1, n do
    local flags, body = flagsOf(ARGV[flagAt + i]), ARGV[bodyAt + i]
    local id, fence, keep
    if flags.m then asked, id = asked + 1, ARGV[idAt + asked + 1] end
    if flags.f then fence, extraAt = tonumber(ARGV[extraAt]), extraAt + 1 end
    if flags.k then keep, extraAt = tonumber(ARGV[extraAt]), extraAt + 1 end
    local earlier = id and (known[id] or newer and newer[asked] or older and older[asked])
    if lone and not earlier then
      planned = format('%d', seq + 1) .. ':' .. ts .. ':' .. e
      if call('HSETNX', newerKey, id, planned) == 0 then earlier = call('HGET', newerKey, id) end
    end
    if earlier then
      out[#out + 1] = '=' .. earlier
    elseif sealed or (fence and fenced and fence < fenced) then
      if dry then return nil, extraAt, true end
      out[#out + 1] = '!'
    elseif flags.e then
      out[#out + 1] = '0:' .. ts .. ':'
      if before == '0' then before = lastTime(stream) end
      lines[#lines + 1] = '- 0 ' .. ts .. ' ' .. before .. ' ' .. topic
      lines[#lines + 1] = body
      inBlock = false
    else
      if fence and (not fenced or fence > fenced) then fenced, f = fence, format('%d', fence) end
      seq = format('%d', seq + 1)
      if not dry then
        if kept == 0 then
          local jumped
          seq, ts, jumped = addFirst(stream, seq, ts, body)
          if jumped then before, latest = jumped, jumped end
          if jumped and not fresh then fresh, e = true, candidate end
        else
          call('XADD', stream, seq .. '-0', ts, body)
        end
      end
      if not dry then first = firstKept(stream, first, tonumber(seq), tonumber(seq), keep or size) end
      if not inBlock then
        lines[#lines + 1] = e .. ' ' .. seq .. ' ' .. ts .. ' ' .. before .. ' ' .. topic
        inBlock = true
      end
      lines[#lines + 1] = body
      kept, before, retained = kept + 1, ts, flags.r and body
      out[#out + 1] = token(seq, ts, e, knownEpoch)
      if id then
        local position = seq .. ':' .. ts .. ':' .. e
        known[id] = position
        if position ~= planned then remember[#remember + 1], remember[#remember + 2] = id, position end
      end
      if flags.s then sealed, z = true, 'z' end
    end
  end
  if dry then return nil, extraAt, false end
  if #remember > 0 then
    call('HSET', newerKey, unpack(remember))
    if not inUse then call('PEXPIREAT', newerKey, format('%d', (turn + 2) * BUCKET)) end
  end
  if next(known) then
    d = format('%d', turn) .. (wasInUse and '+' or '')
  end
  if kept > 0 then write(index, meta, stream, topic, fresh, e, seq, ts, x, first, f, z, d == '?' and '-' or d, retained, latest) end
  return lines[1] and concat(lines, '\\n'), extraAt, false
end`;
