-- kind: looks for a way to make and run bytecode
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    if string.dump or ("").dump or _ENV.load or _ENV.loadstring then
      return { verdict = "escaped", how = "bytecode" }
    end
    return { verdict = "contained" }
  end,
}
