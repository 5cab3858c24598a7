-- The token bucket: credit grows by R a millisecond, a hit takes P of it.  The chapter is token_bucket.py.
--
--   stored    "last_ms:credit", credit in units of 1/P of a token, at most B*P
--
-- elapsed * R would pass 2^53 for a key that slept, so whoever slept longer than the bucket takes to fill has it full.

algorithms.token_bucket = function(key, now, cost, rate, per, capacity, options)
  local asked_at, full = now, capacity * per
  local credit, write_denied = options.start_empty and 0 or full, false
  local last, stored = numbers(redis.call('GET', key))
  if not last then
    write_denied = options.start_empty
  else
    local elapsed = now - last
    if elapsed >= 0 then
      credit = elapsed > ceil(full / rate) and full or min(stored + elapsed * rate, full)
    elseif elapsed >= -per then
      now, credit = last, stored
    end
  end

  local left = credit - cost * per
  local allowed = left >= 0
  if allowed then credit = left end
  local reset = ceil((full - credit) / rate)
  local function write() store(key, now - asked_at + reset, now, credit) end
  if allowed then return write, 1, floor(left / per), 0, reset, 0 end
  return write_denied and write, 0, floor(credit / per), ceil(-left / rate), reset, 0
end
