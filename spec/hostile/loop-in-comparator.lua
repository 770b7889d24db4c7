-- kind: a loop in the order function of table.sort
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    table.sort({ 3, 2, 1 }, function() while true do end end)
  end,
}
