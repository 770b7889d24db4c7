local json = require "lunexec.json"
local testing = require "lunexec.testing"

local PAGE = "docs/policy.md"

--- The Lua of the page, block by block.
local function blocks()
  local list = {}
  for block in testing.read(PAGE):gmatch("\n```lua\n(.-)```\n") do
    list[#list + 1] = block
  end
  return list
end

local function bundle(text)
  local dir = os.tmpname()
  assert(os.remove(dir))
  assert(require("lfs").mkdir(dir))
  local file = assert(io.open(dir .. "/policy.lua", "wb"))
  file:write(text)
  file:close()
  finally(function() os.execute("rm -r " .. dir) end)
  return dir
end

--- Calls every function that a policy may have.
local function run_policy(text)
  local policy = testing.load(bundle(text))
  local settings = testing.settings()
  local job = { repository = "r", queue = "batches", steps = json.array(), files = json.array() }
  assert.equal("Job", testing.call(policy, "job", testing.task(), settings).kind)
  assert.is_table(testing.call(policy, "admit", job, settings))
  local failure = { class = "out-of-memory", message = "", limit = "1Gi", attempt = 1 }
  testing.call(policy, "retry", failure, testing.task(), settings)
  assert.is_true(#testing.call(policy, "network", settings) >= 2)
end

--- Runs statements, and compares what stands behind `-->`; gives the number of comparisons.
local function run_examples(text)
  local env = testing.environment("scripts")
  env.task = testing.task()
  env.job = testing.load("scripts").job(env.task, testing.settings())
  local count = 0
  local code = text:gsub("local ([%w_, ]+) =", "%1 =")
  for line in code:gmatch("[^\n]+") do
    local expression, expected = line:match("^(.-) %-%-> (.+)$")
    if expression then
      local given = assert(load("return " .. expression, "=" .. line, "t", env))()
      assert.same(assert(load("return " .. expected))(), given, line)
      count = count + 1
    else
      assert(load(line, "=" .. line, "t", env))()
    end
  end
  return count
end

describe("docs/policy.md", function()
  local policies, compared, shapes, parts = 0, 0, 0, 0

  for number, block in ipairs(blocks()) do
    it(("has Lua that works, block %d"):format(number), function()
      if block:find("%-%->") then
        compared = compared + run_examples(block)
      elseif block:find("describe(", 1, true) then
        assert(load(block))
      elseif block:find("\nreturn policy\n") then
        policies = policies + 1
        run_policy(block)
      elseif block:find("^{") then
        shapes = shapes + 1
        assert(load("return " .. block))
      else
        parts = parts + 1
        assert(load(block))
      end
    end)
  end

  it("has an example of everything that it should", function()
    assert.is_true(policies >= 5)
    assert.is_true(compared >= 40)
    assert.is_true(shapes == 1 and parts <= 3)
  end)

  it("has an example of every function of the library", function()
    local text = table.concat(blocks(), "\n")
    for _, name in ipairs({ "quantity", "image", "pod", "merge", "names", "network", "json" }) do
      for key, value in pairs(require("lunexec." .. name)) do
        if type(value) == "function" then
          assert.is_not_nil(text:find(name .. "." .. key .. "(", 1, true), name .. "." .. key)
        end
      end
    end
  end)

  it("has an example of every function of a policy", function()
    local text = table.concat(blocks(), "\n")
    for _, name in ipairs({ "job", "admit", "retry", "network" }) do
      assert.is_not_nil(text:find("function policy." .. name .. "(", 1, true), name)
    end
  end)
end)
