-- The fixed window: a counter, and when its window began.  The chapter is fixed_window.py.
--
--   stored    "began_ms:count"
--
-- The textbook's INCR with an EXPIRE would do for one limit of cost 1; it counts what it denies, though.

algorithms.fixed_window = function(key, now, cost, rate, per, capacity, options)
  local asked_at = now
  local began, count = numbers(redis.call('GET', key))
  if not began or now - began < -per or now - began >= per then
    began, count = options.unaligned and now or now - now % per, 0
  end
  local rest = min(began + per - now, per)
  local left = capacity - count - cost
  if left < 0 then return false, 0, capacity - count, rest, rest, 0 end
  return function() store(key, began + per - asked_at, began, count + cost) end, 1, left, 0, rest, 0
end
