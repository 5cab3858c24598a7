-- GCRA: one moment a key, TAT.  The chapter is gcra.py; this is its arithmetic where numbers are doubles.
--
--   stored    "tat_ms:remainder", TAT in whole milliseconds and what is left of it in units of 1/R ms
--   spent     TAT - now in units of 1/R ms, between 0 and B*P
--   options   e: start empty
--
-- now * R would pass 2^53, so TAT is only ever held against now: `ahead` is capped before it is multiplied.

algorithms.gcra = function(key, now, cost, rate, per, capacity, options)
  local full = capacity * per
  local horizon = ceil(full / rate)
  local empty = find(options, 'e')
  local spent, pulled_back = empty and full or 0, true
  local state, expired = call('GET', key), nil
  if state then
    local tat, rest = match(state, '^(%d+):(%d+)$')
    expired = tat + min(rest, 1)
    local ahead, beyond = tat - now, tat - now - per
    if beyond <= horizon and (beyond < 0 or beyond * rate + rest <= full) then  -- else from a future that does not come
      spent = ahead > horizon and full + 1 or max(max(ahead, -1) * rate + rest, 0)
      pulled_back = spent > full
      spent = min(spent, full)
    end
  end

  local left = full - spent - cost * per
  if left >= 0 then spent = spent + cost * per end
  local reset = ceil(spent / rate)
  local expires, whole = now + reset + (empty and REMEMBERED_MS or 0), floor(spent / rate)
  if left >= 0 then
    store(key, expires, now + whole, spent - whole * rate)
    return admitted(cost, expired, floor(left / per), reset, 0)
  end
  if pulled_back then keep(key, expires, now + whole, spent - whole * rate) end
  return 0, floor((full - spent) / per), ceil(-left / rate), reset, 0
end
