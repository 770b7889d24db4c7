-- kind: a table as the error
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    error({ code = 1 })
  end,
}
