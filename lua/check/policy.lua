--- For `lunexec policy check`: what a script uses that a policy does not have, whether or not a
--- trial reaches it. Runs in the sandbox like a policy and asks its environment what there is.

local lexer = require "lexer"

local M = {}

local ENDS = { ["end"] = true, ["else"] = true, ["elseif"] = true, ["until"] = true, [""] = true }
local UNARY = { ["not"] = true, ["-"] = true, ["#"] = true, ["~"] = true }
local BINARY = {}
for operator in ("+ - * / // % ^ .. == ~= < > <= >= & | ~ << >> and or"):gmatch("%S+") do
  BINARY[operator] = true
end

--- `tokens`: the script; `at`: the token to come; `scope`: names of locals, those outside behind
--- it; `found`: {line, text} each.
local function new_state(source)
  return { tokens = lexer.tokens(source), at = 1, scope = {}, found = {} }
end

local function peek(s)
  return s.tokens[s.at]
end

local function is(s, text)
  local token = peek(s)
  return token.text == text and token.kind == "word"
end

local function take(s)
  s.at = s.at + 1
  return s.tokens[s.at - 1]
end

local function accept(s, text)
  return is(s, text) and take(s)
end

local function expect(s, text)
  return accept(s, text) or error(("line %d: expected %s"):format(peek(s).line, text), 0)
end

local function inside(s, parse)
  s.scope = setmetatable({}, { __index = s.scope })
  parse()
  s.scope = getmetatable(s.scope).__index
end

local function report(s, line, format, ...)
  s.found[#s.found + 1] = { line = line, text = format:format(...) }
end

local function is_global(s, token)
  return token.kind == "name" and not s.scope[token.text] and token.text ~= "_ENV"
end

local function note_read(s, token, field)
  if not is_global(s, token) then
    return
  end
  local value = _ENV[token.text]
  if value == nil then
    report(s, token.line, "undefined global %s", token.text)
  elseif field and type(value) == "table" and value[field] == nil then
    report(s, token.line, "undefined field %s of %s", field, token.text)
  end
end

local block, expression

local function expressions(s)
  repeat
    expression(s)
  until not accept(s, ",")
end

--- Parameters and body of a function, from "(" to "end".
local function body(s, has_self)
  expect(s, "(")
  inside(s, function()
    s.scope.self = has_self
    while not accept(s, ")") do
      local token = take(s)
      if token.kind == "name" then
        s.scope[token.text] = true
      end
    end
    block(s)
  end)
  expect(s, "end")
end

local function table_constructor(s)
  expect(s, "{")
  while not accept(s, "}") do
    if accept(s, "[") then
      expression(s)
      expect(s, "]")
      expect(s, "=")
    elseif peek(s).kind == "name" and s.tokens[s.at + 1].text == "=" then
      take(s)
      take(s)
    end
    expression(s)
    if not accept(s, ",") then
      accept(s, ";")
    end
  end
end

--- Whether arguments of a call came.
local function arguments(s)
  if peek(s).kind == "string" then
    take(s)
  elseif is(s, "{") then
    table_constructor(s)
  elseif accept(s, "(") then
    if not is(s, ")") then
      expressions(s)
    end
    expect(s, ")")
  else
    return false
  end
  return true
end

--- One suffix, such as ".name" or a call; false when there is none.
local function suffix(s)
  if accept(s, ".") then
    take(s)
  elseif accept(s, "[") then
    expression(s)
    expect(s, "]")
  elseif accept(s, ":") then
    take(s)
    arguments(s)
  else
    return arguments(s)
  end
  return true
end

--- A name or what is in parentheses, with its suffixes. A name alone is given back, unnoted: it may
--- be assigned to.
local function suffixed(s)
  local first = take(s)
  if first.text == "(" and first.kind == "word" then
    expression(s)
    expect(s, ")")
    first = nil
  end
  local field = is(s, ".") and s.tokens[s.at + 1].text or nil
  local alone = first
  while suffix(s) do
    if first then
      note_read(s, first, field)
    end
    first, alone = nil, nil
  end
  return alone
end

local function simple(s)
  local token = peek(s)
  if token.kind == "string" or token.kind == "number" then
    take(s)
  elseif is(s, "nil") or is(s, "true") or is(s, "false") or is(s, "...") then
    take(s)
  elseif is(s, "{") then
    table_constructor(s)
  elseif accept(s, "function") then
    body(s)
  else
    local alone = suffixed(s)
    if alone then
      note_read(s, alone)
    end
  end
end

function expression(s)
  repeat
    while peek(s).kind == "word" and UNARY[peek(s).text] do
      take(s)
    end
    simple(s)
    local operator = peek(s).kind == "word" and BINARY[peek(s).text]
    if operator then
      take(s)
    end
  until not operator
end

--- Names up to one that no comma follows, with their attributes.
local function names(s)
  local list = {}
  repeat
    list[#list + 1] = take(s).text
    if accept(s, "<") then
      take(s)
      expect(s, ">")
    end
  until not accept(s, ",")
  return list
end

local function declare(s, list)
  for _, name in ipairs(list) do
    s.scope[name] = true
  end
end

local statements = {}

statements["do"] = function(s)
  inside(s, function() block(s) end)
  expect(s, "end")
end

statements["while"] = function(s)
  expression(s)
  expect(s, "do")
  statements["do"](s)
end

statements["repeat"] = function(s)
  inside(s, function()
    block(s)
    expect(s, "until")
    expression(s)
  end)
end

statements["if"] = function(s)
  repeat
    expression(s)
    expect(s, "then")
    inside(s, function() block(s) end)
  until not accept(s, "elseif")
  if accept(s, "else") then
    inside(s, function() block(s) end)
  end
  expect(s, "end")
end

statements["for"] = function(s)
  local list = names(s)
  if not accept(s, "=") then
    expect(s, "in")
  end
  expressions(s)
  expect(s, "do")
  inside(s, function()
    declare(s, list)
    block(s)
  end)
  expect(s, "end")
end

statements["function"] = function(s)
  local first, has_self, plain = take(s), false, true
  while is(s, ".") or is(s, ":") do
    has_self, plain = take(s).text == ":", false
    take(s)
  end
  if plain and is_global(s, first) then
    report(s, first.line, "assignment to undefined global %s", first.text)
  elseif not plain then
    note_read(s, first)
  end
  body(s, has_self or nil)
end

statements["local"] = function(s)
  if accept(s, "function") then
    s.scope[take(s).text] = true
    body(s)
    return
  end
  local list = names(s)
  if accept(s, "=") then
    expressions(s)
  end
  declare(s, list)
end

statements["return"] = function(s)
  if not ENDS[peek(s).text] and not is(s, ";") then
    expressions(s)
  end
end

statements["goto"] = function(s)
  take(s)
end

statements["break"] = function() end
statements[";"] = function() end

statements["::"] = function(s)
  take(s)
  expect(s, "::")
end

local function note_target(s, alone)
  if alone and is_global(s, alone) then
    report(s, alone.line, "assignment to undefined global %s", alone.text)
  end
end

local function assignment_or_call(s)
  local alone = suffixed(s)
  while accept(s, ",") do
    note_target(s, alone)
    alone = suffixed(s)
  end
  if accept(s, "=") then
    note_target(s, alone)
    expressions(s)
  end
end

function block(s)
  while not (peek(s).kind == "word" and ENDS[peek(s).text]) do
    local statement = peek(s).kind == "word" and statements[peek(s).text]
    if statement then
      take(s)
      statement(s)
    else
      assignment_or_call(s)
    end
  end
end

--- What a script uses and does not have, in the order of its lines. The script must be without
--- errors of syntax.
---@param source string
---@return {line: integer, text: string}[]
function M.globals(source)
  local s = new_state(source)
  block(s)
  table.sort(s.found, function(a, b) return a.line < b.line end)
  return s.found
end

return { api = 1, globals = M.globals }
