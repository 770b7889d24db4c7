-- kind: an error whose __tostring loops
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    error(setmetatable({}, { __tostring = function() while true do end end }))
  end,
}
