-- kind: a result that holds one long text forty times
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    local text, t = ("x"):rep(4000000), {}
    for i = 1, 40 do t[i] = text end
    return t
  end,
}
