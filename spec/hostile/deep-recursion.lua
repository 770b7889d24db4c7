-- kind: calls without end
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    local function deeper(n) return 1 + deeper(n + 1) end
    return deeper(1)
  end,
}
