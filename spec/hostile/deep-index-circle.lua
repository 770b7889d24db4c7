-- kind: tables that are each other's __index
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local a, b = {}, {}
    setmetatable(a, { __index = b })
    setmetatable(b, { __index = a })
    return a.field
  end,
}
