local testing = require "lunexec.testing"

local DIR = "spec/hostile"
local FEWEST = 100

local function header(text)
  local fields = {}
  for name, value in text:gmatch("%-%- (%l+): ([^\n]+)\n") do
    fields[name] = value
  end
  return fields
end

local function hostile_policies()
  local policies = {}
  for file in require("lfs").dir(DIR) do
    local name = file:match("^(.+)%.lua$")
    if name then
      policies[name] = header(testing.read(DIR .. "/" .. file))
    end
  end
  return policies
end

describe("the hostile policies", function()
  local policies = hostile_policies()

  it("are many, and each is of another kind", function()
    local count, kinds = 0, {}
    for name, fields in pairs(policies) do
      count = count + 1
      assert.is_string(fields.kind, name)
      assert.is_nil(kinds[fields.kind], name)
      kinds[fields.kind] = true
    end
    assert.is_true(count >= FEWEST)
  end)

  it("say when they act and what contains them", function()
    local when = { load = true, call = true }
    local outcomes = { limit = true, error = true, contained = true }
    for name, fields in pairs(policies) do
      assert.is_true(when[fields.when], name)
      assert.is_string(fields.expect, name)
      for word in fields.expect:gmatch("%S+") do
        assert.is_true(outcomes[word], name)
      end
      assert.is_true(fields.calls == nil or math.tointeger(tonumber(fields.calls)) > 1, name)
    end
  end)

  it("are Lua, unless that is the trick", function()
    local broken = {}
    for name in pairs(policies) do
      -- Under pcall, since the parser hands "C stack overflow" to the handler of whoever called it.
      local _, chunk = pcall(loadfile, DIR .. "/" .. name .. ".lua", "t", {})
      if not chunk then
        broken[#broken + 1] = name
      end
    end
    table.sort(broken)
    assert.same({ "bundle-syntax", "parser-nested-functions", "parser-nesting" }, broken)
  end)

  -- The others need the limits of the executor, and its own table of string methods.
  for name, fields in pairs(policies) do
    if fields.expect == "contained" and name ~= "reach-bytecode" then
      it(name .. " is contained on a laptop too", function()
        local policy = testing.load(DIR, name)
        assert.equal("contained", policy.job(testing.task(), testing.settings()).verdict)
      end)
    end
  end
end)
