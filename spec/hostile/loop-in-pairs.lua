-- kind: a loop in __pairs
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local t = setmetatable({}, { __pairs = function() while true do end end })
    for _ in pairs(t) do end
  end,
}
