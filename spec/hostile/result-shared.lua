-- kind: a small result that is large when written out
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    local t = { "x" }
    for _ = 1, 40 do t = { t, t } end
    return t
  end,
}
