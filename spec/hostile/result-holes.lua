-- kind: a list with a billion holes
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return { [1] = 1, [1000000000] = 2 }
  end,
}
