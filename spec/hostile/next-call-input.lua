-- kind: changes its inputs for the next call
-- when: call
-- expect: contained
-- calls: 2

return {
  api = 1,
  job = function(task, settings)
    if task and task.poisoned or settings and settings.poisoned then
      return { verdict = "escaped", how = "input" }
    end
    pcall(function() task.poisoned = true end)
    pcall(function() settings.poisoned = true end)
    return { verdict = "contained" }
  end,
}
