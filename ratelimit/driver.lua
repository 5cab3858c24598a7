-- One call, one moment, all asks or none: what is common to all algorithms.
--
--   KEYS  one for each ask
--   ARGV  now in ms, or '' for the clock of this server; then for each ask: algorithm, cost, R, P, B, options
--   reply five integers for each ask: allowed, remaining, retry_after_ms, reset_ms, delay_ms
--
-- Redis runs a script from its beginning to its end before it looks at anybody else, which is the lock.  First every
-- ask is decided, and nothing is written; an algorithm returns how it would write, if at all, and its decision.  When all
-- allow, all write.  When one denies, none does; a denial of a single ask may be noted (log_denied).
--
-- Every key gets a TTL, never less than until its state says no more than no state, so that Redis forgets whom nobody
-- asks about.  Numbers are doubles: limit.py refuses what would pass 2^53, and %.0f writes all digits where `..` would not.

local TTL_SLACK_MS, PEEK = --[[slack]], --[[peek]]
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local match, format, find = string.match, string.format, string.find
local algorithms = {}

local function numbers(text)
  if not text then return end
  local first, second, third = match(text, '^(%d+):(%d+):?(%d*)$')
  return tonumber(first), tonumber(second), tonumber(third)
end

local function store(key, ttl, first, second, third)
  local text = format(third and '%.0f:%.0f:%.0f' or '%.0f:%.0f', first, second, third)
  redis.call('SET', key, text, 'PX', format('%.0f', ttl + TTL_SLACK_MS))
end

--[[algorithms]]

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + floor(time[2] / 1000)
end

local NO_OPTIONS = {}
local function options_of(letters)
  if letters == '' then return NO_OPTIONS end
  return {
    start_empty = find(letters, 'e'), queue = find(letters, 'q'), unaligned = find(letters, 'u'),
    floor = find(letters, 'f'), log_denied = find(letters, 'd'),
  }
end

local now = tonumber(ARGV[1]) or clock()
local writes, reply, all_allow = {}, {}, 1
for i, key in ipairs(KEYS) do
  local a, r = 6 * i - 4, 5 * i - 4
  writes[i], reply[r], reply[r + 1], reply[r + 2], reply[r + 3], reply[r + 4] = algorithms[ARGV[a]](
    key, now, tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]),
    options_of(ARGV[a + 5])
  )
  all_allow = min(all_allow, reply[r])
end
if not PEEK then
  for i = 1, #KEYS do
    if writes[i] and (all_allow == 1 or #KEYS == 1) then writes[i]() end
  end
end
return reply
