-- The sliding window counter: two fixed windows, the older one fading away.  The chapter is sliding_window_counter.py.
--
--   stored    "began_ms:previous:current"

algorithms.sliding_window_counter = function(key, now, cost, rate, per, capacity, options)
  local asked_at, spare = now, options.floor and per - 1 or 0
  local began, previous, current = numbers(redis.call('GET', key))
  local elapsed = began and now - began
  if not began or elapsed < -per or elapsed >= 2 * per then
    previous, current = 0, 0
    elapsed = options.unaligned and 0 or now % per
  elseif elapsed >= per then
    previous, current, elapsed = current, 0, elapsed - per
  elseif elapsed < 0 then
    now, elapsed = began, 0
  end

  -- what this window may still take, in units of 1/P of a hit
  local room = (capacity - current) * per + spare - previous * (per - elapsed)
  local left = room - cost * per
  if left >= 0 then
    local function write()
      store(key, now - elapsed + 2 * per - asked_at, now - elapsed, previous, current + cost)
    end
    return write, 1, floor(left / per), 0, 2 * per - elapsed, 0
  end
  local free, wait = capacity - cost - current
  if free >= 0 then
    wait = per - elapsed - floor((free * per + spare) / previous)
  else
    wait = 2 * per - elapsed - floor(((free + current) * per + spare) / current)
  end
  return false, 0, max(0, floor(room / per)), wait, (current > 0 and 2 * per or per) - elapsed, 0
end
