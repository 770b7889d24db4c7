-- kind: a finalizer behind __index of the metatable
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    local metatable = setmetatable({}, { __index = { __gc = function() while true do end end } })
    for _ = 1, 1000 do setmetatable({}, metatable) end
    for i = 1, 100000 do local _ = { i } end
    return { verdict = "contained" }
  end,
}
