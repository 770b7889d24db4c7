-- kind: string.rep whose size overflows
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return ("xxxx"):rep(math.maxinteger // 2)
  end,
}
