-- kind: leaves a local of the file for the next call
-- when: call
-- expect: contained
-- calls: 2

local count = 0

return {
  api = 1,
  job = function(task, settings)
    count = count + 1
    return { verdict = count == 1 and "contained" or "escaped", how = "upvalue" }
  end,
}
