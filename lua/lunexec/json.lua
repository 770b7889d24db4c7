--- The JSON values that plain Lua tables cannot tell apart: `null`, and the empty array.
---
--- The executor puts its own version of this module in place, with the same four names; this one
--- serves tests on a laptop. Tables become JSON by one rule on both sides: a marked table is an
--- array, an unmarked empty table an object, an unmarked table with keys 1..n an array, a table
--- with holes or mixed keys an error that names the path.

local M = {}

local has_cjson, cjson = pcall(require, "cjson")

--- JSON's `null`, a value of its own: a field set to it is sent as null, a field set to `nil` is
--- not sent.
M.null = has_cjson and cjson.null or setmetatable({}, {
  __tostring = function() return "null" end,
})

local arrays = setmetatable({}, { __mode = "k" })

--- Marks a table as an array, which matters when it may be empty.
---@generic T
---@param t T[]? a new table when absent
---@return T[] t the same table
function M.array(t)
  t = t or {}
  arrays[t] = true
  return t
end

--- Tells whether a table is marked as an array. An unmarked list is not.
---@param value any
---@return boolean
function M.is_array(value)
  return type(value) == "table" and arrays[value] == true
end

--- Takes the array mark off a table, so that it is sent as an object when empty.
---@generic T: table
---@param t T? a new table when absent
---@return T t the same table
function M.object(t)
  t = t or {}
  arrays[t] = nil
  return t
end

return M
