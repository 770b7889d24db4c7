-- kind: calls with ever more arguments
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    local function deeper(...) return (deeper(1, ...)) end
    return deeper()
  end,
}
