-- kind: a loop in __close
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local guard <close> = setmetatable({}, { __close = function() while true do end end })
    return guard == nil
  end,
}
