-- kind: a pattern with many lazy items, in gmatch
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    for _ in ("a"):rep(400):gmatch(("a-"):rep(30) .. "b") do end
    return { verdict = "escaped", how = "the matcher came to an end" }
  end,
}
