-- kind: a tail call to itself
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local function again() return again() end
    return again()
  end,
}
