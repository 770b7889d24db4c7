-- kind: an error without a value
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    error(nil)
  end,
}
