-- kind: calls through table.sort and back
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local function deeper() table.sort({ 1, 2 }, deeper) end
    deeper()
  end,
}
