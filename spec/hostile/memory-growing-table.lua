-- kind: a table that grows
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local t = {}
    for i = 1, math.maxinteger do t[i] = i end
  end,
}
