-- kind: a plain search for a long text that almost matches everywhere
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local half = ("a"):rep(2000000)
    local found = (half .. half):find(half .. "b", 1, true)
    return { verdict = found and "escaped" or "contained" }
  end,
}
