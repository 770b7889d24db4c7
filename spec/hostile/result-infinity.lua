-- kind: an infinite number
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return { n = math.huge }
  end,
}
