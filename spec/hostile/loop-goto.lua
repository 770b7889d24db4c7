-- kind: a backward jump
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    ::top::
    goto top
  end,
}
