import { metaPattern } from './meta.ts';
import type { RedisScript } from './script.ts';

/**
 * Where a topic stands. Streams are trimmed by whole nodes because that costs next to nothing; what no longer
 * counts as kept is hidden here, so that readers see exactly as many events as were asked for. Of a stream that has run
 * out the last event may be there, retained: it stands in the meta then.
 */
const readPrelude = `
${metaPattern}
local call = redis.call
local function seqOf(entry) return tonumber(string.match(entry[1], '^%d+')) end

local function stand(meta, stream)
  local stored = call('GET', meta)
  if not stored then return nil end
  local e, q, ts, _, lowest, rest = string.match(stored, META)
  q = tonumber(q)
  local entry = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  local retained = not entry and string.match(rest, '\\n(.*)')
  local first = entry and math.max(seqOf(entry), tonumber(lowest)) or retained and q or q + 1
  if first > q then first = q + 1 end
  return e, q, ts, first, retained
end
`;

/**
 * The heads of many topics.
 * Guarantee: read at one moment; changes nothing.
 *
 * KEYS    meta and stream of each topic
 * ARGV    for each topic the time asked about, or ''
 * Result  one string: the time, then for each topic epoch (or -), seq, ts, first, before; separated by spaces
 */
export const headsScript: RedisScript = {
  name: 'awHeads',
  lua: `${readPrelude}
local clock = call('TIME')
local out = { string.format('%d', clock[1] * 1000 + math.floor(clock[2] / 1000)) }

-- The numbers have no holes and the times never fall, so the place of a time is found by halving.
local function beforeTime(stream, first, q, ts, since)
  if first > q or since > tonumber(ts) then return q end
  local low, high = first, q
  while low < high do
    local middle = math.floor((low + high) / 2)
    local entry = call('XRANGE', stream, middle .. '-0', '+', 'COUNT', 1)[1]
    if entry and tonumber(entry[2][1]) < since then low = seqOf(entry) + 1 else high = middle end
  end
  return low - 1
end

for i = 1, #ARGV do
  local stream = KEYS[2 * i]
  local e, q, ts, first = stand(KEYS[2 * i - 1], stream)
  if not e then
    out[#out + 1] = '- 0 0 1 0'
  else
    local before = 0
    if ARGV[i] ~= '' then before = beforeTime(stream, first, q, ts, tonumber(ARGV[i])) end
    out[#out + 1] = e .. ' ' .. q .. ' ' .. ts .. ' ' .. first .. ' ' .. before
  end
end
return table.concat(out, ' ')
`,
};

/**
 * A stretch of one topic's events, with its head.
 * Guarantee: head and events are of one moment; changes nothing.
 *
 * KEYS    meta, stream
 * ARGV    after ('' for none), limit, '1' for highest first
 * Result  a flat array: 'epoch seq ts first', then for each event 'seq ts' and its body
 */
export const readScript: RedisScript = {
  name: 'awRead',
  lua: `${readPrelude}
local e, q, ts, first, retained = stand(KEYS[1], KEYS[2])
if not e then return { '- 0 0 1' } end
local out = { e .. ' ' .. q .. ' ' .. ts .. ' ' .. first }
local from, to, entries = first, q, nil
if ARGV[3] == '1' then
  if ARGV[1] ~= '' then to = math.min(to, tonumber(ARGV[1]) - 1) end
  entries = from <= to and call('XREVRANGE', KEYS[2], to .. '-0', from .. '-0', 'COUNT', ARGV[2]) or {}
else
  if ARGV[1] ~= '' then from = math.max(from, tonumber(ARGV[1]) + 1) end
  entries = from <= to and call('XRANGE', KEYS[2], from .. '-0', to .. '-0', 'COUNT', ARGV[2]) or {}
end
if retained and from <= to then return { out[1], q .. ' ' .. ts, retained } end
for i, entry in ipairs(entries) do
  out[2 * i] = string.match(entry[1], '^%d+') .. ' ' .. entry[2][1]
  out[2 * i + 1] = entry[2][2]
end
return out
`,
};

/**
 * Starts a new epoch, if the topic is still in the one named.
 *
 * KEYS    meta
 * ARGV    epoch, the name of the new one
 * Result  1 when it did, else 0
 */
export const renumberScript: RedisScript = {
  name: 'awRenumber',
  lua: `
local stored = redis.call('GET', KEYS[1])
if not stored or string.match(stored, '^%S+') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2] .. string.sub(stored, #ARGV[1] + 1), 'KEEPTTL')
return 1
`,
};
