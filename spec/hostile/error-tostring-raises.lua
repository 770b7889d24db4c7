-- kind: an error whose __tostring raises the same again
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local metatable = {}
    function metatable.__tostring() error(setmetatable({}, metatable)) end
    error(setmetatable({}, metatable))
  end,
}
