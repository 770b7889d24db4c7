-- kind: table.move of all integers
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return table.move({}, 1, math.maxinteger, 2)
  end,
}
