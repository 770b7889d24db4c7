-- kind: an error of eight million characters
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    error(("x"):rep(8000000))
  end,
}
