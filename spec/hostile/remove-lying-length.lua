-- kind: table.remove from a table that lies about its length
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local t = setmetatable({}, { __len = function() return 1 << 40 end })
    table.remove(t, 1)
  end,
}
