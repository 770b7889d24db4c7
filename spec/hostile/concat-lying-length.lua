-- kind: table.concat of a table that lies about its length
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local t = setmetatable({}, {
      __len = function() return 1 << 40 end,
      __index = function() return "" end,
    })
    return table.concat(t)
  end,
}
