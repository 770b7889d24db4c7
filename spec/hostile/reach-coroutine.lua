-- kind: looks for a coroutine to hide in
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    if _ENV.coroutine or pcall(require, "coroutine") then
      return { verdict = "escaped", how = "coroutine" }
    end
    return { verdict = "contained" }
  end,
}
