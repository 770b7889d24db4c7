-- kind: a loop in __lt
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local metatable = { __lt = function() while true do end end }
    return setmetatable({}, metatable) < setmetatable({}, metatable)
  end,
}
