-- kind: changes the metatable that arrays share
-- when: call
-- expect: contained
-- calls: 2

return {
  api = 1,
  job = function(task, settings)
    local json = require "lunexec.json"
    local list = json.array()
    if list.poisoned or (task and task.containers and task.containers.poisoned) then
      return { verdict = "escaped", how = "array mark" }
    end
    local metatable = getmetatable and getmetatable(list)
    if type(metatable) == "table" then
      metatable.__index = { poisoned = true }
    end
    return { verdict = "contained" }
  end,
}
