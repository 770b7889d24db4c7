-- kind: a text that is not UTF-8
-- when: call
-- expect: error contained

return {
  api = 1,
  job = function(task, settings)
    return { verdict = "contained", text = "\255\254\0" }
  end,
}
