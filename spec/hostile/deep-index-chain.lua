-- kind: a chain of a hundred thousand __index tables
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local t = {}
    for _ = 1, 100000 do t = setmetatable({}, { __index = t }) end
    return t.field
  end,
}
