-- kind: a table as a key
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return { [{}] = 1, [true] = 2 }
  end,
}
