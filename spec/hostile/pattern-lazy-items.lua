-- kind: a pattern with five lazy items over a long text
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    return ("x"):rep(3000):find(".-.-.-.-.-y")
  end,
}
