-- kind: a number that JSON does not have
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return { n = 0 / 0 }
  end,
}
