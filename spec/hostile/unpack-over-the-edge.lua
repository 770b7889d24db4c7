-- kind: table.unpack of all integers
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return table.unpack({}, math.mininteger, math.maxinteger)
  end,
}
