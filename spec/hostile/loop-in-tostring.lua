-- kind: a loop in __tostring
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    return tostring(setmetatable({}, { __tostring = function() while true do end end }))
  end,
}
