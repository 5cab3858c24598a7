-- The leaking bucket: a hit pours in P, R leak out a millisecond.  The chapter is leaking_bucket.py.
--
--   stored    "last_ms:level", level in units of 1/P of a hit, at most B*P

algorithms.leaking_bucket = function(key, now, cost, rate, per, capacity, options)
  local asked_at, full = now, capacity * per
  local level, write_denied = options.start_empty and full or 0, false
  local last, stored = numbers(redis.call('GET', key))
  if not last then
    write_denied = options.start_empty
  else
    local elapsed = now - last
    if elapsed >= 0 then
      level = elapsed > ceil(full / rate) and 0 or max(stored - elapsed * rate, 0)
    elseif elapsed >= -per then
      now, level = last, stored
    end
  end

  local after = level + cost * per
  local delay = options.queue and ceil(level / rate) or 0
  local allowed = after <= full
  if allowed then level = after end
  local reset = ceil(level / rate)
  local function write() store(key, now - asked_at + reset, now, level) end
  if allowed then return write, 1, floor((full - after) / per), 0, reset, delay end
  return write_denied and write, 0, floor((full - level) / per), ceil((after - full) / rate), reset, 0
end
