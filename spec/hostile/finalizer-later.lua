-- kind: a finalizer that comes into the metatable afterwards
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    local metatable = {}
    for _ = 1, 1000 do setmetatable({}, metatable) end
    metatable.__gc = function() while true do end end
    for i = 1, 100000 do local _ = { i } end
    return { verdict = "contained" }
  end,
}
