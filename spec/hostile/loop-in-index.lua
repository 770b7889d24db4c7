-- kind: a loop in __index
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local t = setmetatable({}, { __index = function() while true do end end })
    return t.field
  end,
}
