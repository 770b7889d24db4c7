-- kind: a finalizer that loops
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    for _ = 1, 10 do
      setmetatable({}, { __gc = function() while true do end end })
    end
  end,
}
