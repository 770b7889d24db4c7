-- kind: a loop without end
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    while true do end
  end,
}
