-- kind: a numeric loop over all integers
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local sum = 0
    for i = math.mininteger, math.maxinteger do sum = sum ~ i end
    return { verdict = "escaped", how = sum }
  end,
}
