-- kind: calls through gsub and back
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local function deeper() return (("x"):gsub("x", deeper)) end
    return deeper()
  end,
}
