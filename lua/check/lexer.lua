--- Lua's words: of a script that is known to be without errors of syntax.

local M = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch("%a+") do
  KEYWORDS[word] = true
end

local LONG = { "...", "<<", ">>", "//", "==", "~=", "<=", ">=", "::", ".." }

--- Where a long bracket that begins at `at` ends; nil if none begins there.
local function long_bracket(source, at)
  local level = source:match("^%[(=*)%[", at)
  if not level then
    return nil
  end
  local _, last = source:find("]" .. level .. "]", at, true)
  return last or #source
end

local function quoted(source, at)
  local quote, i = source:sub(at, at), at + 1
  while i <= #source do
    local char = source:sub(i, i)
    if char == quote then
      return i
    end
    i = char == "\\" and i + 2 or i + 1
  end
  return #source
end

local function comment(source, at)
  return long_bracket(source, at + 2) or (source:find("\n", at, true) or #source + 1) - 1
end

local function operator(source, at)
  for _, text in ipairs(LONG) do
    if source:sub(at, at + #text - 1) == text then
      return at + #text - 1
    end
  end
  return at
end

local function number(source, at)
  local _, last = source:find("^0[xX][%x.]*[pP]?[+-]?%x*", at)
  if last then
    return last
  end
  _, last = source:find("^[%d.]+", at)
  local _, exponent = source:find("^[eE][+-]?%d+", last + 1)
  return exponent or last
end

--- Kind of the token at `at`, and where it ends; kind nil for a comment.
local function token_at(source, at)
  local char = source:sub(at, at)
  if char:find("[%a_]") then
    local _, last = source:find("^[%w_]+", at)
    return KEYWORDS[source:sub(at, last)] and "word" or "name", last
  elseif char:find("%d") or source:find("^%.%d", at) then
    return "number", number(source, at)
  elseif char == '"' or char == "'" then
    return "string", quoted(source, at)
  elseif source:sub(at, at + 1) == "--" then
    return nil, comment(source, at)
  end
  local last = long_bracket(source, at)
  if last then
    return "string", last
  end
  return "word", operator(source, at)
end

--- All tokens: kind "name", "word" (keyword or operator), "string" or "number", text, line; at the
--- end a word of no text.
---@param source string
---@return {kind: string, text: string, line: integer}[]
function M.tokens(source)
  local tokens, line, at = {}, 1, 1
  while true do
    local first = source:find("%S", at)
    local _, lines = source:sub(at, (first or #source + 1) - 1):gsub("\n", "")
    line = line + lines
    if not first then
      tokens[#tokens + 1] = { kind = "word", text = "", line = line }
      return tokens
    end
    local kind, last = token_at(source, first)
    local text = source:sub(first, last)
    if kind then
      tokens[#tokens + 1] = { kind = kind, text = text, line = line }
    end
    _, lines = text:gsub("\n", "")
    line, at = line + lines, last + 1
  end
end

return M
