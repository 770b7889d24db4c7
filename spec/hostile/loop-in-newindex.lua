-- kind: a loop in __newindex
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local t = setmetatable({}, { __newindex = function() while true do end end })
    t.field = 1
  end,
}
