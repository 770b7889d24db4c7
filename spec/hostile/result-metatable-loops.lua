-- kind: a result whose metatable loops on every touch
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    local function loop() while true do end end
    return setmetatable({ verdict = "contained" }, {
      __index = loop, __len = loop, __pairs = loop, __tostring = loop, __eq = loop, __close = loop,
    })
  end,
}
