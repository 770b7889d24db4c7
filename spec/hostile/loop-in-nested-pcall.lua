-- kind: every level swallows the error and starts again
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local function again()
      pcall(again)
      return again()
    end
    return again()
  end,
}
