-- kind: string.byte of eight million characters at once
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    return select("#", ("x"):rep(8000000):byte(1, -1))
  end,
}
