-- kind: requires itself without end
-- when: call
-- expect: error contained

return {
  api = 1,
  job = function(task, settings)
    local fine = pcall(require, "policy")
    return { verdict = "contained", again = fine }
  end,
}
