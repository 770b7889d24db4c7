--- JSON text in and out, exactly: integers stay integers, `null` and arrays keep their marks.
--- For tests and tools; inside the executor the host reads and writes JSON.

local json = require "lunexec.json"

local M = {}

local DEEPEST = 64
local ESCAPES = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}
local ESCAPED = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t",
}

local function fail(text, at, message)
  local _, lines = text:sub(1, at - 1):gsub("\n", "")
  error(("line %d: %s"):format(lines + 1, message), 0)
end

local function skip_blanks(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

local function four_digits(text, at)
  local digits = text:match("^\\u(%x%x%x%x)", at)
  return digits and tonumber(digits, 16)
end

--- The code point of "\uXXXX" (a surrogate pair where it is one) and where the text goes on.
local function unicode_escape(text, at)
  local high = four_digits(text, at)
  if not high then
    fail(text, at, "malformed \\u escape")
  elseif high < 0xD800 or high > 0xDFFF then
    return high, at + 6
  end
  local low = four_digits(text, at + 6)
  if high > 0xDBFF or not low or low < 0xDC00 or low > 0xDFFF then
    fail(text, at, "lone surrogate")
  end
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), at + 12
end

local function decode_string(text, at)
  local parts = {}
  local from = at + 1
  while true do
    local stop = text:find('["\\\0-\31]', from)
    if not stop then
      fail(text, at, "unfinished string")
    end
    parts[#parts + 1] = text:sub(from, stop - 1)
    local char = text:sub(stop, stop)
    if char == '"' then
      return table.concat(parts), stop + 1
    elseif char ~= "\\" then
      fail(text, stop, "control character in a string")
    end
    local letter = text:sub(stop + 1, stop + 1)
    if letter == "u" then
      local code
      code, from = unicode_escape(text, stop)
      parts[#parts + 1] = utf8.char(code)
    elseif ESCAPES[letter] then
      parts[#parts + 1] = ESCAPES[letter]
      from = stop + 2
    else
      fail(text, stop, "unknown escape")
    end
  end
end

local function decode_number(text, at)
  local digits = text:match("^-?%d+", at)
  local more = digits and (text:match("^%.%d+", at + #digits) or "") or ""
  more = more .. (digits and text:match("^[eE][+-]?%d+", at + #digits + #more) or "")
  if not digits or digits:find("^-?0%d") then
    fail(text, at, "malformed value")
  end
  local value = more == "" and math.tointeger(tonumber(digits)) or tonumber(digits .. more)
  return value, at + #digits + #more
end

local decode_value

local function decode_array(text, at, depth)
  local list = json.array()
  at = skip_blanks(text, at + 1)
  if text:sub(at, at) == "]" then
    return list, at + 1
  end
  while true do
    list[#list + 1], at = decode_value(text, at, depth + 1)
    at = skip_blanks(text, at)
    local char = text:sub(at, at)
    if char == "]" then
      return list, at + 1
    elseif char ~= "," then
      fail(text, at, "expected , or ] in an array")
    end
    at = at + 1
  end
end

local function decode_object(text, at, depth)
  local object = {}
  at = skip_blanks(text, at + 1)
  if text:sub(at, at) == "}" then
    return object, at + 1
  end
  while true do
    at = skip_blanks(text, at)
    if text:sub(at, at) ~= '"' then
      fail(text, at, "expected a key")
    end
    local key
    key, at = decode_string(text, at)
    if object[key] ~= nil then
      fail(text, at, ("key %q occurs twice"):format(key))
    end
    at = skip_blanks(text, at)
    if text:sub(at, at) ~= ":" then
      fail(text, at, "expected : after a key")
    end
    object[key], at = decode_value(text, at + 1, depth + 1)
    at = skip_blanks(text, at)
    local char = text:sub(at, at)
    if char == "}" then
      return object, at + 1
    elseif char ~= "," then
      fail(text, at, "expected , or } in an object")
    end
    at = at + 1
  end
end

local LITERALS = { ["true"] = true, ["false"] = false, ["null"] = json.null }

function decode_value(text, at, depth)
  if depth > DEEPEST then
    fail(text, at, "nested too deeply")
  end
  at = skip_blanks(text, at)
  local char = text:sub(at, at)
  if char == "{" then
    return decode_object(text, at, depth)
  elseif char == "[" then
    return decode_array(text, at, depth)
  elseif char == '"' then
    return decode_string(text, at)
  end
  local word = text:match("^%a+", at)
  if word and LITERALS[word] ~= nil then
    return LITERALS[word], at + #word
  end
  return decode_number(text, at)
end

--- Reads one JSON value.
---@param text string
---@return any value nil on failure
---@return string? message what is wrong, with its line
function M.decode(text)
  if not utf8.len(text) then
    return nil, "the text is not UTF-8"
  end
  local fine, value, at = pcall(decode_value, text, 1, 0)
  if fine then
    at = skip_blanks(text, at)
    if at > #text then
      return value
    end
    value = select(2, pcall(fail, text, at, "text after the value"))
  end
  return nil, value
end

local function encode_string(text)
  return '"' .. text:gsub('[%c"\\]', function(char)
    return ESCAPED[char] or ("\\u%04x"):format(char:byte())
  end) .. '"'
end

local function encode_number(value, path)
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif value ~= value or value == math.huge or value == -math.huge then
    error(path .. " is not a number that JSON has", 0)
  end
  return value == value // 1 and ("%.0f"):format(value) or ("%.17g"):format(value)
end

local function below(path, key)
  if math.type(key) == "integer" then
    return ("%s[%d]"):format(path, key - 1)
  end
  return path == "" and key or path .. "." .. key
end

--- The length of a table that is to be an array, or nil for an object.
local function array_length(value, path)
  local count, strings = 0, 0
  for key in pairs(value) do
    count = count + 1
    strings = strings + (type(key) == "string" and 1 or 0)
  end
  if strings == count and not json.is_array(value) then
    return nil
  end
  for index = 1, count do
    if value[index] == nil then
      error((path == "" and "the value" or path) .. " is a list with holes or names", 0)
    end
  end
  return count
end

local function enclose(open, parts, close, indent)
  if #parts == 0 then
    return open .. close
  elseif not indent then
    return open .. table.concat(parts, ",") .. close
  end
  local separator = "\n" .. indent .. "  "
  return open .. separator .. table.concat(parts, "," .. separator) .. "\n" .. indent .. close
end

local encode_value

local function encode_table(value, path, indent, depth)
  if depth > DEEPEST then
    error(path .. " is nested too deeply", 0)
  end
  local inner = indent and indent .. "  "
  local parts = {}
  local length = array_length(value, path)
  if length then
    for index = 1, length do
      parts[index] = encode_value(value[index], below(path, index), inner, depth + 1)
    end
    return enclose("[", parts, "]", indent)
  end
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for index, key in ipairs(keys) do
    local text = encode_value(value[key], below(path, key), inner, depth + 1)
    parts[index] = encode_string(key) .. (indent and ": " or ":") .. text
  end
  return enclose("{", parts, "}", indent)
end

function encode_value(value, path, indent, depth)
  if value == json.null then
    return "null"
  elseif type(value) == "table" then
    return encode_table(value, path, indent, depth)
  elseif type(value) == "string" then
    return encode_string(value)
  elseif type(value) == "number" then
    return encode_number(value, path)
  elseif type(value) == "boolean" then
    return tostring(value)
  end
  error(("%s is a %s"):format(path == "" and "the value" or path, type(value)), 0)
end

--- Writes a value on one line, keys sorted.
---@param value any
---@return string? text nil when it has no JSON form
---@return string? message which part of it, by path
function M.encode(value)
  local fine, text = pcall(encode_value, value, "", nil, 0)
  if fine then
    return text
  end
  return nil, text
end

--- The same over several lines, indented by two spaces, with a line end: for people and files.
---@param value any
---@return string? text
---@return string? message
function M.pretty(value)
  local fine, text = pcall(encode_value, value, "", "", 0)
  if fine then
    return text .. "\n"
  end
  return nil, text
end

return M
