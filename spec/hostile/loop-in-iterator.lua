-- kind: an iterator that never ends
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    for _ in function() return 1 end do end
  end,
}
