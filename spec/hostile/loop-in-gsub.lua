-- kind: a loop in the replacement function of gsub
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    return ("abc"):gsub(".", function() while true do end end)
  end,
}
