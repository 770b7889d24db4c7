-- kind: table.move of a billion absent items
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return table.move({}, 1, 1000000000, 2)
  end,
}
