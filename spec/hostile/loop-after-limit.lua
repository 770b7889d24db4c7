-- kind: goes on after it has been told to stop
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local stopped = 0
    repeat
      local fine = pcall(function() while true do end end)
      if not fine then stopped = stopped + 1 end
    until stopped > 1000000
    return { verdict = "escaped", how = "the limit was swallowed" }
  end,
}
