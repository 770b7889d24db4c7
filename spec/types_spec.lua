local testing = require "lunexec.testing"

--- The fields of a class in types.lua, each with the rest of its line.
local function fields_of(class)
  local fields, inside = {}, false
  for line in testing.read("lua/lunexec/types.lua"):gmatch("[^\n]+") do
    if line:find("^%-%-%-@class ") then
      inside = line:find("^%-%-%-@class lunexec%." .. class .. "%f[^%w]") ~= nil
    elseif inside then
      local name, rest = line:match("^%-%-%-@field ([%w_]+)%?? (.+)$")
      if name then
        fields[name] = rest
      end
    end
  end
  return fields
end

--- Environment variable and policy key of each setting that the executor hands to a policy.
local function settings_of_the_host()
  local settings = {}
  for _, group in ipairs { "sourcegraph", "kubernetes", "lunexec" } do
    local text = testing.read("host/app/settings_" .. group .. ".c"):gsub("%s+", " ")
    for name, row in text:gmatch('{%.name = "([A-Z_]+)",(.-)}') do
      settings[name] = row:match('%.policy_key = "([a-z_]+)"')
    end
  end
  return settings
end

describe("lunexec/types.lua", function()
  it("names every setting that the executor hands to a policy", function()
    local fields, count = fields_of("Settings"), 0
    for name, key in pairs(settings_of_the_host()) do
      count = count + 1
      assert.is_not_nil(fields[key], key)
      assert.is_not_nil(fields[key]:find(name, 1, true), name)
    end
    assert.is_true(count >= 20)
  end)

  it("names every field of the fixtures", function()
    local function check(class, value)
      local fields = fields_of(class)
      assert.is_not_nil(next(fields), class)
      for key in pairs(value) do
        assert.is_not_nil(fields[key], class .. "." .. key)
      end
    end
    local task = testing.task()
    check("Task", task)
    check("Names", task.names)
    check("TaskContainer", task.containers[2])
    check("Workspace", task.workspace)
    check("Facts", task.facts)
    check("Settings", testing.settings())
    for _, case in ipairs(testing.cases("spec/golden")) do
      check("Task", testing.read_json(case .. "/task.json"))
      check("Settings", testing.read_json(case .. "/settings.json"))
    end
  end)

  it("names every function of the default policy", function()
    local fields = fields_of("Policy")
    for name in pairs(testing.load("scripts")) do
      assert.is_not_nil(fields[name], name)
    end
  end)
end)
