-- kind: a hundred thousand results
-- when: call
-- expect: error limit contained

return {
  api = 1,
  job = function(task, settings)
    local t = { { verdict = "contained" } }
    for i = 2, 100000 do t[i] = i end
    return table.unpack(t)
  end,
}
