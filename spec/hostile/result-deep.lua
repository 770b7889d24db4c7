-- kind: a result a hundred thousand levels deep
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    local t = {}
    for _ = 1, 100000 do t = { t } end
    return t
  end,
}
