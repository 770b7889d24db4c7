-- kind: string.rep of the empty text, 2^63 times
-- when: call
-- expect: contained error

return {
  api = 1,
  job = function(task, settings)
    local text = string.rep("", math.maxinteger)
    return { verdict = text == "" and "contained" or "escaped" }
  end,
}
