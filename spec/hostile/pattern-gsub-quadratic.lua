-- kind: a pattern that is tried from every position to the end
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    return ("a"):rep(2000000):gsub("a*b", "")
  end,
}
