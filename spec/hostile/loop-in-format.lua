-- kind: a loop in __tostring, under string.format
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    return ("%s"):format(setmetatable({}, { __tostring = function() while true do end end }))
  end,
}
