-- kind: balanced brackets that never close
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    return ("("):rep(2000000):find("%b()")
  end,
}
