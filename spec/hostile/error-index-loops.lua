-- kind: an error whose __index loops
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    error(setmetatable({}, { __index = function() while true do end end }))
  end,
}
