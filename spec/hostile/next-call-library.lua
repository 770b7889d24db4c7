-- kind: changes the libraries for the next call
-- when: call
-- expect: contained
-- calls: 2

return {
  api = 1,
  job = function(task, settings)
    if string.poisoned or table.insert == nil or math.max(1, 2) ~= 2 then
      return { verdict = "escaped", how = "library" }
    end
    string.poisoned = true
    table.insert = nil
    math.max = function() return 0 end
    return { verdict = "contained" }
  end,
}
