-- kind: table.sort of a table that lies about its length
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local t = setmetatable({}, { __len = function() return 2000000000 end })
    table.sort(t)
  end,
}
