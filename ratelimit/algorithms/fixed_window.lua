-- The fixed window: a counter, and when its window began.  The chapter is fixed_window.py.
--
--   stored    "began_ms:count"
--   options   u: unaligned, the first hit opens the window
--
-- The textbook's INCR with an EXPIRE would do for a limit of cost 1, but counts what it denies.

algorithms.fixed_window = function(key, now, cost, rate, per, capacity, options)
  local began, count, expired
  local state = call('GET', key)
  if state then
    began, count = match(state, '^(%d+):(%d+)$')
    expired = began + per
    local elapsed = now - began
    if elapsed < -per or elapsed >= per then began = nil end
  end
  if not began then
    began, count = find(options, 'u') and now or now - now % per, 0
  end
  local rest = min(began + per - now, per)
  local left = capacity - count - cost
  if left < 0 then return 0, capacity - count, rest, rest, 0 end
  store(key, began + per, began, count + cost)
  return admitted(cost, expired, left, rest, 0)
end
