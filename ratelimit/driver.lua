-- One call, one moment, all asks or none: what is common to all algorithms.
--
--   KEYS  one for each ask
--   ARGV  now in ms, or '' for the clock of this server; then for each ask: algorithm, cost, R, P, B, options;
--         or once, when they are the same for all
--   reply five integers for each ask: allowed, remaining, retry_after_ms, reset_ms, delay_ms
--
-- Redis runs a script from its beginning to its end before it looks at anybody else, which is the lock.  One ask is
-- decided and written at once.  Several are first decided `dry`, and only if all allow decided again and written; unless
-- the mode is `each`: then they have nothing to do with each other and share the way only, and if one fails (its key holds
-- somebody else's list), the error stands where its decision would.
--
-- Every key gets a TTL, never less than until its state says no more than no state, so that Redis forgets whom nobody
-- asks about.  Numbers are doubles: limit.py refuses what would pass 2^53, and %d writes all digits where `..` would not.

local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local match, format, find, call, tonumber = string.match, string.format, string.find, redis.call, tonumber
local TTL_SLACK_MS, REMEMBERED_MS, MODE = --[[slack]], --[[remembered]], --[[mode]]
local dry = MODE == 'peek' or MODE == 'try'
local algorithms = {}

local asked_at = tonumber(ARGV[1])
if not asked_at then
  local time = call('TIME')
  asked_at = time[1] * 1000 + floor(time[2] / 1000)
end

local function time_to_live(expires)
  return expires - asked_at + TTL_SLACK_MS
end

-- `keep` writes what a denied hit leaves behind too: the moment at which an empty bucket began to fill.
local function keep(key, expires, first, second, third)
  if MODE == 'peek' then return end
  call('SET', key, format(third and '%d:%d:%d' or '%d:%d', first, second, third), 'PX', time_to_live(expires))
end

local function store(key, expires, first, second, third)
  if not dry then keep(key, expires, first, second, third) end
end

-- What is answered when a hit is admitted; while dry, how things stand as long as nothing is taken.
local function admitted(cost, expired, remaining, reset, delay)
  if not dry then return 1, remaining, 0, reset, delay end
  return 1, remaining + cost, 0, expired and max(0, expired - asked_at) or 0, delay
end

--[[algorithms]]

local the_same = #ARGV == 7
local algorithm, cost, rate, per, capacity, options

local function decide(i)
  if i == 1 or not the_same then
    local a = 6 * i - 4
    algorithm, options = algorithms[ARGV[a]], ARGV[a + 5]
    cost, rate, per, capacity = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  end
  return algorithm(KEYS[i], asked_at, cost, rate, per, capacity, options)
end

if #KEYS == 1 then return {decide(1)} end

local reply, all_allow = {}, true
local function decide_all()
  for i = 1, #KEYS do
    local r = 5 * i
    reply[r - 4], reply[r - 3], reply[r - 2], reply[r - 1], reply[r] = decide(i)
    all_allow = all_allow and reply[r - 4] == 1
  end
end

if MODE == 'each' then
  for i = 1, #KEYS do
    local r, done = 5 * i, nil
    done, reply[r - 4], reply[r - 3], reply[r - 2], reply[r - 1], reply[r] = pcall(decide, i)
    if not done then
      local told = reply[r - 4]
      reply[r - 4] = type(told) == 'table' and told or {err = tostring(told)}
      reply[r - 3], reply[r - 2], reply[r - 1], reply[r] = 0, 0, 0, 0
    end
  end
  return reply
end

dry = true
decide_all()
if all_allow and MODE == 'hit' then
  dry = false
  decide_all()
end
return reply
