-- kind: table.insert into a table that lies about its length
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local t = setmetatable({}, { __len = function() return math.maxinteger - 1 end })
    table.insert(t, 1, "x")
  end,
}
