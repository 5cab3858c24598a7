-- GCRA: one moment a key, TAT.  The chapter is gcra.py; this is its arithmetic where numbers are doubles.
--
--   stored    "tat_ms:remainder", TAT in whole milliseconds and what is left of it in units of 1/R ms
--   spent     TAT - now in units of 1/R ms, between 0 and B*P
--
-- now * R would pass 2^53, so TAT is only ever held against now: `ahead` is capped before it is multiplied.

algorithms.gcra = function(key, now, cost, rate, per, capacity, options)
  local full, start_empty = capacity * per, options.start_empty
  local horizon = ceil(full / rate)
  local spent = start_empty and full or 0
  local tat, rest = numbers(redis.call('GET', key))
  local pulled_back = not tat
  if tat then
    local ahead, beyond = tat - now, tat - now - per
    if beyond > horizon or beyond >= 0 and beyond * rate + rest > full then
      pulled_back = true  -- from a future that does not come again: forgotten
    else
      spent = ahead > horizon and full + 1 or max(max(ahead, -1) * rate + rest, 0)
      if spent > full then spent, pulled_back = full, true end
    end
  end

  local left = full - spent - cost * per
  local allowed = left >= 0
  if allowed then spent = spent + cost * per end
  local reset = ceil(spent / rate)
  local function write()
    local whole = floor(spent / rate)
    store(key, reset, now + whole, spent - whole * rate)
  end
  if allowed then return write, 1, floor(left / per), 0, reset, 0 end
  return pulled_back and write, 0, floor((full - spent) / per), ceil(-left / rate), reset, 0
end
