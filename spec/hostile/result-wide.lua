-- kind: a result of a million items
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    local t = {}
    for i = 1, 1000000 do t[i] = i end
    return t
  end,
}
