-- kind: changes a module of ours for the next call
-- when: call
-- expect: contained
-- calls: 2

return {
  api = 1,
  job = function(task, settings)
    local quantity, json = require "lunexec.quantity", require "lunexec.json"
    if quantity.compare("1", "2") ~= -1 or json.poisoned or not json.is_array(json.array()) then
      return { verdict = "escaped", how = "module" }
    end
    quantity.compare = function() return 0 end
    json.poisoned = true
    json.is_array = function() return false end
    return { verdict = "contained" }
  end,
}
