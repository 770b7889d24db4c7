-- kind: a pattern of so many items that matching it recurses too deeply
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return ("a"):rep(1000):find(("a?"):rep(1000))
  end,
}
