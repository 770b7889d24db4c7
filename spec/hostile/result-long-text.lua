-- kind: a result of eight million characters
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return { text = ("x"):rep(8000000) }
  end,
}
