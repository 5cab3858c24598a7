-- The sliding window log: the moments of all hits of the last P.  The chapter is sliding_window_log.py.
--
--   stored    a list of moments in ms, oldest first; Redis packs it at 9 bytes a moment
--   options   d: denied hits are logged too
--
-- Nothing is read but the ends: the newest, the oldest few, and the one whose going lets the next hit in.

-- How many at the list's head are at or before `cutoff`.  They are looked for from the head in doubling steps, since
-- few are old as a rule, and what is near the head is found quickly.
local function count_old(key, length, cutoff)
  local known, step = 0, 1
  while known < length do
    local probe = min(known + step, length)
    if tonumber(call('LINDEX', key, probe - 1)) > cutoff then
      if step == 1 then break end
      step = 1
    else
      known, step = probe, step * 2
    end
  end
  return known
end

-- The moment at `place` of the log, as it will be when those that this hit adds stand behind it.
local function moment_at(key, length, place, now)
  return place < length and tonumber(call('LINDEX', key, place)) or now
end

local function append(key, now, cost)
  local moments, moment = {}, format('%d', now)
  for i = 1, min(cost, 1000) do moments[i] = moment end
  for i = 1, cost, 1000 do
    call('RPUSH', key, unpack(moments, 1, min(1000, cost - i + 1)))
  end
end

algorithms.sliding_window_log = function(key, now, cost, rate, per, capacity, options)
  local log_denied = find(options, 'd')
  local length, newest = 0, tonumber(call('LINDEX', key, -1) or nil)
  local forget = newest and newest - now > per
  if newest and not forget then
    now = max(now, newest)
    length = call('LLEN', key)
  end
  local old = count_old(key, length, now - per)
  local cut = old > 16 and old or 0
  local free = capacity - (length - old)
  local allowed = cost <= free
  local log_it = allowed or log_denied
  local in_the_way = not allowed and moment_at(key, length, length + cost - capacity - 1 + (log_denied and cost or 0), now)

  if not dry then
    if forget then call('DEL', key) elseif cut > 0 then call('LTRIM', key, cut, -1) end
    if log_it then
      append(key, now, cost)
      if not allowed then call('LTRIM', key, -capacity, -1) end
      call('PEXPIRE', key, time_to_live(now + per))
    end
  end

  if allowed then return admitted(cost, newest and newest + per, free - cost, per, 0) end
  return 0, log_denied and 0 or free, in_the_way + per - now, (log_denied and now or newest) + per - now, 0
end
