-- The token bucket: credit grows by R a millisecond, a hit takes P of it.  The chapter is token_bucket.py.
--
--   stored    "last_ms:credit", credit in units of 1/P of a token, at most B*P
--   options   e: start empty
--
-- elapsed * R would pass 2^53 for a key that slept, so whoever slept longer than the bucket takes to fill has it full.

algorithms.token_bucket = function(key, now, cost, rate, per, capacity, options)
  local full, empty = capacity * per, find(options, 'e')
  local credit = empty and 0 or full
  local state, expired = call('GET', key), nil
  if state then
    local last, stored = match(state, '^(%d+):(%d+)$')
    expired = last + ceil((full - stored) / rate)
    local elapsed = now - last
    if elapsed >= 0 then
      credit = elapsed > ceil(full / rate) and full or min(stored + elapsed * rate, full)
    elseif elapsed >= -per then
      now, credit = now - elapsed, tonumber(stored)
    else
      state = nil
    end
  end

  local left = credit - cost * per
  if left >= 0 then credit = left end
  local reset = ceil((full - credit) / rate)
  local expires = now + reset + (empty and REMEMBERED_MS or 0)
  if left >= 0 then
    store(key, expires, now, credit)
    return admitted(cost, expired, floor(left / per), reset, 0)
  end
  if empty and not state then keep(key, expires, now, credit) end
  return 0, floor(credit / per), ceil(-left / rate), reset, 0
end
