-- The sliding window log: the moments of all hits of the last P.  The chapter is sliding_window_log.py.
--
--   stored    a list of moments in ms, oldest first; Redis packs it at 9 bytes a moment
--
-- Nothing is read but the ends: the newest, the oldest few, and the one whose going lets the next hit in.

-- How many at the list's head are at or before `cutoff`.  They are looked for from the head in doubling steps, since
-- few are old as a rule, and what is near the head is found quickly.
local function count_old(key, length, cutoff)
  local known, step = 0, 1
  while known < length do
    local probe = min(known + step, length)
    if tonumber(redis.call('LINDEX', key, probe - 1)) > cutoff then
      if step == 1 then break end
      step = 1
    else
      known, step = probe, step * 2
    end
  end
  return known
end

algorithms.sliding_window_log = function(key, now, cost, rate, per, capacity, options)
  local asked_at = now
  local length, newest = 0, tonumber(redis.call('LINDEX', key, -1) or nil)
  local forget = newest and newest - now > per
  if newest and not forget then
    now = max(now, newest)
    length = redis.call('LLEN', key)
  end
  local old = count_old(key, length, now - per)
  local cut = old > 16 and 2 * old > length and old or 0
  local free = capacity - (length - old)
  local allowed = cost <= free
  local log_it = allowed or options.log_denied

  local function write()
    if forget then redis.call('DEL', key) elseif cut > 0 then redis.call('LTRIM', key, cut, -1) end
    if not log_it then return end
    local moments, moment = {}, format('%.0f', now)
    for i = 1, min(cost, 1000) do moments[i] = moment end
    for i = 1, cost, 1000 do
      redis.call('RPUSH', key, unpack(moments, 1, min(1000, cost - i + 1)))
    end
    if not allowed then redis.call('LTRIM', key, -capacity, -1) end
    redis.call('PEXPIRE', key, format('%.0f', now + per - asked_at + TTL_SLACK_MS))
  end

  if allowed then return write, 1, free - cost, 0, per, 0 end
  local place = length + cost - capacity - 1
  if options.log_denied then place, newest, free = place + cost, now, 0 end
  local in_the_way = place < length and tonumber(redis.call('LINDEX', key, place)) or now
  return (log_it or forget or cut > 0) and write, 0, free, in_the_way + per - now, newest + per - now, 0
end
