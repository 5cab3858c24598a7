-- The leaking bucket: a hit pours in P, R leak out a millisecond.  The chapter is leaking_bucket.py.
--
--   stored    "last_ms:level", level in units of 1/P of a hit, at most B*P
--   options   e: start empty of room, that is with a full bucket; q: a queue, whose admitted hits wait

algorithms.leaking_bucket = function(key, now, cost, rate, per, capacity, options)
  local full, brimful = capacity * per, find(options, 'e')
  local level = brimful and full or 0
  local state, expired = call('GET', key), nil
  if state then
    local last, stored = match(state, '^(%d+):(%d+)$')
    expired = last + ceil(stored / rate)
    local elapsed = now - last
    if elapsed >= 0 then
      level = elapsed > ceil(full / rate) and 0 or max(stored - elapsed * rate, 0)
    elseif elapsed >= -per then
      now, level = now - elapsed, tonumber(stored)
    else
      state = nil
    end
  end

  local after = level + cost * per
  local delay = find(options, 'q') and ceil(level / rate) or 0
  if after <= full then level = after end
  local reset = ceil(level / rate)
  local expires = now + reset + (brimful and REMEMBERED_MS or 0)
  if after <= full then
    store(key, expires, now, level)
    return admitted(cost, expired, floor((full - after) / per), reset, delay)
  end
  if brimful and not state then keep(key, expires, now, level) end
  return 0, floor((full - level) / per), ceil((after - full) / rate), reset, 0
end
