-- kind: runs into a limit first, and is looked at in the next call
-- when: call
-- expect: limit
-- calls: 2

if leak then
  return { api = 1, job = function() return { verdict = "escaped", how = "global" } end }
end

return {
  api = 1,
  job = function(task, settings)
    leak = true
    while true do end
  end,
}
