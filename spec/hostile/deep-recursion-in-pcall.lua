-- kind: calls through pcall and back
-- when: call
-- expect: error limit contained

return {
  api = 1,
  job = function(task, settings)
    local function deeper() return pcall(deeper) end
    deeper()
    return { verdict = "contained" }
  end,
}
