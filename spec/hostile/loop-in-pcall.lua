-- kind: a loop that swallows the error which should end it
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    while true do
      pcall(function() while true do end end)
    end
  end,
}
