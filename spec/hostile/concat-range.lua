-- kind: table.concat of a trillion items
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local t = setmetatable({}, { __index = function() return "" end })
    return table.concat(t, "", 1, 1 << 40)
  end,
}
