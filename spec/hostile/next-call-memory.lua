-- kind: keeps memory for the next call
-- when: call
-- expect: contained
-- calls: 12

local kept = {}

return {
  api = 1,
  job = function(task, settings)
    kept[#kept + 1] = ("x"):rep(4000000)
    return { verdict = #kept == 1 and "contained" or "escaped", how = "memory" }
  end,
}
