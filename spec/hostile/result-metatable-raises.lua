-- kind: a result whose metatable raises on every touch
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    local function raise() error("touched") end
    return setmetatable({ verdict = "contained" }, {
      __index = raise, __len = raise, __pairs = raise, __tostring = raise, __name = raise, __eq = raise,
    })
  end,
}
