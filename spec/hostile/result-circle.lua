-- kind: a result that contains itself
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local t = {}
    t.t = t
    return t
  end,
}
