-- kind: looks for an error handler that no limit stops
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    if _ENV.xpcall then
      xpcall(error, function() while true do end end)
      return { verdict = "escaped", how = "xpcall" }
    end
    return { verdict = "contained" }
  end,
}
