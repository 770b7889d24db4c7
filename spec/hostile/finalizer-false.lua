-- kind: a finalizer that is to come, announced with false
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    setmetatable({}, { __gc = false })
  end,
}
