-- kind: string.rep beyond all memory
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return ("x"):rep(1 << 40)
  end,
}
