-- kind: a function in the result
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return { spec = { f = function() end } }
  end,
}
