-- kind: leaves a global for the next call
-- when: call
-- expect: contained
-- calls: 2

return {
  api = 1,
  job = function(task, settings)
    if leak then
      return { verdict = "escaped", how = "global" }
    end
    leak = true
    _ENV.ipairs = nil
    return { verdict = "contained" }
  end,
}
