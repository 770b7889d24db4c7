-- kind: changes the methods of strings for the next call
-- when: call
-- expect: contained
-- calls: 2

return {
  api = 1,
  job = function(task, settings)
    if ("x").poisoned or ("x"):upper() ~= "X" then
      return { verdict = "escaped", how = "string methods" }
    end
    local metatable = getmetatable and getmetatable("")
    if type(metatable) == "table" then
      metatable.__index = { poisoned = true }
    end
    string.upper = function() return "poisoned" end
    pcall(setmetatable, "", { __index = { poisoned = true } })
    return { verdict = "contained" }
  end,
}
