-- kind: a loop in __concat
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local t = setmetatable({}, { __concat = function() while true do end end })
    return t .. "x"
  end,
}
