-- kind: a list with names
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return { 1, 2, name = 3 }
  end,
}
