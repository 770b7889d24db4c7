-- kind: table.sort with an order that contradicts itself
-- when: call
-- expect: error contained

return {
  api = 1,
  job = function(task, settings)
    local t = {}
    for i = 1, 100000 do t[i] = i % 7 end
    table.sort(t, function() return true end)
    return { verdict = "contained" }
  end,
}
