-- kind: string.rep of nothing with a separator
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return (""):rep(1 << 40, "x")
  end,
}
