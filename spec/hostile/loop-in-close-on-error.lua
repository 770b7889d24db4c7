-- kind: a loop in __close while an error passes
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local guard <close> = setmetatable({}, { __close = function() while true do end end })
    error(guard)
  end,
}
