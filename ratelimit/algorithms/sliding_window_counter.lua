-- The sliding window counter: two fixed windows, the older one fading away.  The chapter is sliding_window_counter.py.
--
--   stored    "began_ms:previous:current"
--   options   u: unaligned, the first hit opens the window; f: the fraction of a hit is rounded down

algorithms.sliding_window_counter = function(key, now, cost, rate, per, capacity, options)
  local spare = find(options, 'f') and per - 1 or 0
  local previous, current, elapsed = 0, 0, nil
  local state, expired = call('GET', key), nil
  if state then
    local began, older, newer = match(state, '^(%d+):(%d+):(%d+)$')
    expired, elapsed = began + 2 * per, now - began
    if elapsed < -per or elapsed >= 2 * per then
      elapsed = nil
    elseif elapsed >= per then
      previous, elapsed = tonumber(newer), elapsed - per
    else
      previous, current = tonumber(older), tonumber(newer)
      if elapsed < 0 then now, elapsed = now - elapsed, 0 end
    end
  end
  elapsed = elapsed or (find(options, 'u') and 0 or now % per)

  -- what this window may still take, in units of 1/P of a hit
  local room = (capacity - current) * per + spare - previous * (per - elapsed)
  local left = room - cost * per
  if left >= 0 then
    local began = now - elapsed
    store(key, began + 2 * per, began, previous, current + cost)
    return admitted(cost, expired, floor(left / per), 2 * per - elapsed, 0)
  end
  local free, wait = capacity - cost - current, nil
  if free >= 0 then
    wait = per - elapsed - floor((free * per + spare) / previous)
  else
    wait = 2 * per - elapsed - floor(((free + current) * per + spare) / current)
  end
  return 0, max(0, floor(room / per)), wait, (current > 0 and 2 * per or per) - elapsed, 0
end
