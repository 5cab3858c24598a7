-- What is known of one idempotency key: record.py, inside Redis.  One call decides, writes and sets the TTL.
--
--   KEYS[1]   the key's record, a hash: state holder fence attempt fingerprint lease_ms until_ms answer
--   ARGV      act, now_ms ("" takes the server's own clock), ttl_ms, holder, fingerprint, lease_ms, and by act:
--             begin      takeover ("1" or "0")
--             renew
--             complete   fence, attempt, answer
--             release
--   replies   {verdict, fence, attempt, wait_ms, answer}
--
-- Milliseconds since 1970 and fences that follow them stay far below 2^53, so doubles hold them exactly.

local ACQUIRED, CONSUMED, RELEASED = '1', '2', '3'
local TO_EXECUTE, IN_PROGRESS, ABANDONED, ANSWERED, MISMATCH, KEPT, LOST = 1, 2, 3, 4, 5, 6, 7

local key = KEYS[1]
local act, now_ms, ttl_ms, holder, fingerprint, lease_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if not now_ms then
  local time = redis.call('TIME')
  now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function text(number)  -- 17 digits would otherwise become 1.7e+12
  return string.format('%.0f', number)
end

local function keep(...)
  redis.call('HSET', key, ...)
  redis.call('PEXPIRE', key, ttl_ms)
end

local stored = redis.call('HMGET', key, 'state', 'holder', 'fence', 'attempt', 'fingerprint', 'lease_ms', 'until_ms')
local state = stored[1]
local held = state == ACQUIRED and stored[2] == holder

local function acquire(last_fence, last_attempt)
  local fence, attempt = math.max(last_fence + 1, now_ms), last_attempt + 1
  keep('state', ACQUIRED, 'holder', holder, 'fence', text(fence), 'attempt', text(attempt),
    'fingerprint', fingerprint, 'lease_ms', lease_ms, 'until_ms', text(now_ms + lease_ms))
  return {TO_EXECUTE, fence, attempt, 0, ''}
end

local acts = {}

function acts.begin()
  if not state then
    return acquire(0, 0)
  end
  if stored[5] ~= fingerprint then
    return {MISMATCH, 0, 0, 0, ''}
  end
  if state == CONSUMED then
    return {ANSWERED, 0, 0, 0, redis.call('HGET', key, 'answer')}
  end
  if state == ACQUIRED then
    local longest, until_ms = now_ms + stored[6], tonumber(stored[7])
    if until_ms > longest then  -- the clock went back: no lease is longer than itself
      until_ms = longest
      keep('until_ms', text(until_ms))
    end
    if until_ms > now_ms then
      return {IN_PROGRESS, 0, 0, until_ms - now_ms, ''}
    end
    if ARGV[7] ~= '1' then
      return {ABANDONED, 0, 0, 0, ''}
    end
  end
  return acquire(tonumber(stored[3]), tonumber(stored[4]))
end

function acts.renew()
  if not held then
    return {LOST, 0, 0, 0, ''}
  end
  keep('until_ms', text(now_ms + stored[6]))
  return {KEPT, 0, 0, 0, ''}
end

function acts.complete()
  if held or not state then
    keep('state', CONSUMED, 'holder', holder, 'fence', ARGV[7], 'attempt', ARGV[8], 'fingerprint', fingerprint,
      'lease_ms', lease_ms, 'until_ms', text(now_ms), 'answer', ARGV[9])
    return {KEPT, 0, 0, 0, ''}
  end
  if stored[5] ~= fingerprint then
    return {MISMATCH, 0, 0, 0, ''}
  end
  if state == CONSUMED and stored[2] == holder then  -- said twice, as the reply to the first was lost
    return {KEPT, 0, 0, 0, ''}
  end
  if state == CONSUMED then
    return {ANSWERED, 0, 0, 0, redis.call('HGET', key, 'answer')}
  end
  if state == ACQUIRED then
    return {IN_PROGRESS, 0, 0, math.max(0, stored[7] - now_ms), ''}
  end
  return {LOST, 0, 0, 0, ''}
end

function acts.release()
  if not held then
    return {LOST, 0, 0, 0, ''}
  end
  keep('state', RELEASED)
  return {KEPT, 0, 0, 0, ''}
end

return acts[act]()
