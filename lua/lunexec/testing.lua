--- Testing a policy with busted, on a laptop or in CI: loads a bundle as the executor does, in an
--- environment with the same functions and no more, and compares what it makes with golden files.
---
---     local testing = require "lunexec.testing"
---     local policy = testing.load("scripts")
---     local job = testing.call(policy, "job", testing.task(), testing.settings())
---
--- Under `lunexec policy test` the policy runs in the executor's own sandbox instead, with its
--- limits and in a process of its own: `load` then gives functions that call it there, so what goes
--- in and out must be values that JSON can hold, and nothing lives from one call to the next.
---
--- Unlike the rest of the library this reads and writes files; a policy cannot require it.

local json = require "lunexec.json"
local jsontext = require "lunexec.jsontext"
local merge = require "lunexec.merge"

local M = {}

local LIBRARY = debug.getinfo(1, "S").source:match("^@(.*)testing%.lua$")

--- Where the bundled scripts may be: in the project and an installation, and in a rock.
local SCRIPTS = { LIBRARY .. "../../scripts/", LIBRARY .. "scripts/" }

--- The functions that a policy has; nothing else is defined.
M.FUNCTIONS = {
  "_VERSION", "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal",
  "rawget", "rawlen", "rawset", "require", "select", "setmetatable", "tonumber", "tostring",
  "type",
}

--- The standard libraries that a policy has, and what there is of each.
M.LIBRARIES = {
  math = {
    "abs", "acos", "asin", "atan", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge", "log",
    "max", "maxinteger", "min", "mininteger", "modf", "pi", "rad", "sin", "sqrt", "tan",
    "tointeger", "type", "ult",
  },
  string = {
    "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack",
    "packsize", "rep", "reverse", "sub", "unpack", "upper",
  },
  table = { "concat", "insert", "move", "pack", "remove", "sort", "unpack" },
  utf8 = { "char", "charpattern", "codepoint", "codes", "len", "offset" },
}

local function guarded_setmetatable(table_, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("a policy cannot set __gc", 2)
  end
  return setmetatable(table_, metatable)
end

local function guarded_getmetatable(value)
  return type(value) == "table" and getmetatable(value) or nil
end

local function pick(from, names)
  local picked = {}
  for _, name in ipairs(names) do
    picked[name] = from[name]
  end
  return picked
end

local function is_there(path)
  local file = io.open(path, "rb")
  return file ~= nil and file:close()
end

--- A file of the policy's own, or the bundled one of that name.
local function file_of_bundle(dir, name)
  local own = dir .. "/" .. name .. ".lua"
  if name ~= "policy" and not is_there(own) then
    for _, scripts in ipairs(SCRIPTS) do
      if is_there(scripts .. name .. ".lua") then
        return scripts .. name .. ".lua"
      end
    end
  end
  return own
end

local function file_of(dir, name)
  local module = name:match("^lunexec%.([%w_]+)$")
  if module and module ~= "testing" then
    return LIBRARY .. module .. ".lua"
  elseif name:find("^[%w_-]+$") then
    return file_of_bundle(dir, name)
  end
  error(("a policy cannot require %q"):format(name), 0)
end

--- `require` as a policy has it: files of the bundle, lunexec.*, cjson.
local function make_require(dir, environment)
  local loaded = {
    ["lunexec.json"] = pick(json, { "null", "array", "is_array", "object" }),
  }
  local loading = {}
  return function(name)
    if loaded[name] ~= nil then
      return loaded[name]
    elseif name == "cjson" or name == "cjson.safe" then
      return pick(require(name), { "encode", "decode", "null" })
    elseif loading[name] then
      error(("%q requires itself"):format(name), 2)
    end
    local chunk, message = loadfile(file_of(dir, name), "t", environment)
    if not chunk then
      error(message, 0)
    end
    loading[name] = true
    local value = chunk(name)
    loading[name] = nil
    loaded[name] = value == nil and true or value
    return loaded[name]
  end
end

--- An environment like that of a policy whose files are in `dir`.
---@param dir string
---@return table environment
function M.environment(dir)
  local environment = pick(_G, M.FUNCTIONS)
  for name, members in pairs(M.LIBRARIES) do
    environment[name] = pick(_G[name], members)
  end
  environment.setmetatable = guarded_setmetatable
  environment.getmetatable = guarded_getmetatable
  environment.require = make_require(dir, environment)
  return environment
end

local function quoted(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- What `lunexec policy call` prints for arguments; an error with what it says on failure.
local function in_sandbox(dir, name, func, arguments)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(arguments)
  file:close()
  local command = { quoted(os.getenv("LUNEXEC_SANDBOX")), "policy call --policy", quoted(dir),
    "--module", quoted(name), func and quoted(func) or "", "<", quoted(path), "2>&1" }
  local answer = assert(io.popen(table.concat(command, " ")))
  local text = answer:read("a")
  local fine = answer:close()
  os.remove(path)
  if not fine then
    error(text:gsub("^lunexec: ", ""):gsub("\n$", ""), 0)
  end
  return assert(jsontext.decode(text))
end

--- The functions of a file as functions that run in the sandbox.
local function load_in_sandbox(dir, name)
  local module = name == "policy" and { api = 1 } or {}
  for _, func in ipairs(in_sandbox(dir, name, nil, "[]")) do
    module[func] = function(...)
      local arguments = json.array({ ... })
      for index = 1, select("#", ...) do
        arguments[index] = arguments[index] == nil and json.null or arguments[index]
      end
      local results = in_sandbox(dir, name, func, assert(jsontext.encode(arguments)))
      local count = #results
      for index = 1, count do
        if results[index] == json.null then
          results[index] = nil
        end
      end
      return table.unpack(results, 1, count)
    end
  end
  return module
end

--- Loads a file of a bundle: its `policy.lua`, or another one to test that by itself. Files that
--- the bundle does not have are the bundled scripts'. An error for a file that there is not or that
--- cannot be loaded.
---@param dir string
---@param name string? default "policy"
---@return any module what the file returns
function M.load(dir, name)
  if os.getenv("LUNEXEC_SANDBOX") then
    return load_in_sandbox(dir, name or "policy")
  end
  return M.environment(dir).require(name or "policy")
end

--- The directory of the spec that calls this: that of the policy when both are side by side.
---@return string
function M.here()
  return debug.getinfo(2, "S").source:match("^@(.*)/[^/]*$") or "."
end

--- A view of a value in which every change is an error; what a policy gets.
---@generic T
---@param value T
---@return T
function M.read_only(value)
  if type(value) ~= "table" or value == json.null then
    return value
  end
  local view = setmetatable({}, {
    __index = function(_, key) return M.read_only(value[key]) end,
    __newindex = function(_, key)
      error(("the policy changes its input: field %q"):format(tostring(key)), 2)
    end,
    __len = function() return #value end,
    __pairs = function()
      return function(_, key)
        local following, item = next(value, key)
        return following, M.read_only(item)
      end
    end,
    __lunexec_input = true,
  })
  return json.is_array(value) and json.array(view) or view
end

local function is_view(value)
  local metatable = getmetatable(value)
  return type(metatable) == "table" and metatable.__lunexec_input == true
end

local function find_view(value, path)
  if type(value) ~= "table" then
    return nil
  elseif is_view(value) then
    return path
  end
  for key, item in pairs(value) do
    local found = find_view(item, path .. "." .. tostring(key))
    if found then
      return found
    end
  end
  return nil
end

--- Calls a function of a policy with read-only arguments and checks that JSON can hold what it
--- returns; an error when not, or when a part of the arguments is in it.
---@param policy table
---@param name string
---@param ... any the function's arguments
---@return any ... its results
function M.call(policy, name, ...)
  local arguments = table.pack(...)
  for index = 1, arguments.n do
    arguments[index] = M.read_only(arguments[index])
  end
  local results = table.pack(policy[name](table.unpack(arguments, 1, arguments.n)))
  for index = 1, results.n do
    local path = find_view(results[index], name)
    if path then
      error(path .. " is a table of the policy's input: use merge.copy", 2)
    end
    if results[index] ~= nil then
      assert(jsontext.encode(results[index]))
    end
  end
  return table.unpack(results, 1, results.n)
end

local function container(name, purpose, key, image)
  return { name = name, purpose = purpose, key = key, image = image, working_dir = "/job" }
end

--- A task as the executor gives it: one step of a batch change, in a single pod.
---@param changes table? JSON merge patch, in which json.null removes a field
---@return lunexec.Task
function M.task(changes)
  local helper = "sourcegraph/batcheshelper:insiders"
  local run = container("step-kubernetes-step-0-run", "step", "step.0.run", "alpine:3")
  run.working_dir = "/job/repository"
  return merge.json({
    api = 1,
    queue = "batches",
    id = 42,
    attempt = 1,
    layout = "single-pod",
    repository = "github.com/acme/widgets",
    commit = "0123456789abcdef0123456789abcdef01234567",
    names = {
      job = "sg-executor-job-batches-42",
      secret = "sg-executor-job-batches-42-secrets",
      volume = "sg-executor-job-batches-42-pvc",
    },
    containers = json.array({
      container("setup-workspace", "setup", nil, helper),
      container("step-kubernetes-step-0-pre", "step", "step.0.pre", helper),
      run,
      container("step-kubernetes-step-0-post", "step", "step.0.post", helper),
      container("main", "main", nil, helper),
    }),
    workspace = { mount_path = "/job", volume = "job-data", type = "emptyDir", size = "5Gi" },
    deadline_seconds = 1200,
    facts = {
      time = 1704067200,
      running = { total = 0, queue = 0, repository = 0 },
      max_jobs = 1,
      history = json.array(),
    },
  }, changes or {})
end

--- Settings as the executor reads them from an environment in which nothing optional is set.
---@param changes table? JSON merge patch, in which json.null removes a field
---@return lunexec.Settings
function M.settings(changes)
  return merge.json({
    namespace = "default",
    resource_limit_memory = "12Gi",
    resource_request_memory = "12Gi",
    fs_group = 1000,
    image_pull_policy = "IfNotPresent",
    host_network = false,
    firewall_profile = "compatible",
  }, changes or {})
end

--- The text of a file; an error when it cannot be read.
---@param path string
---@return string
function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

--- The JSON value in a file; an error when it cannot be read or holds none.
---@param path string
---@return any
function M.read_json(path)
  local value, message = jsontext.decode(M.read(path))
  if message then
    error(path .. ": " .. message, 0)
  end
  return value
end

--- The golden cases below a directory, sorted: paths of those that have a task.json.
---@param dir string
---@return string[]
function M.cases(dir)
  local cases = {}
  for name in require("lfs").dir(dir) do
    local file = io.open(dir .. "/" .. name .. "/task.json")
    if file then
      file:close()
      cases[#cases + 1] = dir .. "/" .. name
    end
  end
  table.sort(cases)
  return cases
end

--- What `job` makes of a golden case, and what its plan.json says, both as text for assert.equal.
--- With UPDATE_GOLDEN=1 in the environment plan.json is written anew first. An error where a file
--- is missing or `call` fails.
---@param policy table
---@param dir string with task.json, settings.json, plan.json
---@return string made
---@return string golden
function M.golden(policy, dir)
  local task, settings = M.read_json(dir .. "/task.json"), M.read_json(dir .. "/settings.json")
  local made = assert(jsontext.pretty((M.call(policy, "job", task, settings))))
  if os.getenv("UPDATE_GOLDEN") == "1" then
    local file = assert(io.open(dir .. "/plan.json", "wb"))
    file:write(made)
    file:close()
  end
  return made, M.read(dir .. "/plan.json")
end

return M
