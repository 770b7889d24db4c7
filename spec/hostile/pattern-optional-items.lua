-- kind: a pattern that tries 2^28 ways
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local n = 28
    return ("a"):rep(n):find(("a?"):rep(n) .. ("a"):rep(n))
  end,
}
