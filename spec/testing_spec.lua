local json = require "lunexec.json"
local jsontext = require "lunexec.jsontext"
local testing = require "lunexec.testing"

--- A bundle in a directory of its own, gone after the test.
local function bundle(files)
  local dir = os.tmpname()
  assert(os.remove(dir))
  assert(require("lfs").mkdir(dir))
  for name, text in pairs(files) do
    local file = assert(io.open(dir .. "/" .. name, "wb"))
    file:write(text)
    file:close()
  end
  finally(function()
    for name in pairs(files) do
      os.remove(dir .. "/" .. name)
    end
    os.remove(dir)
  end)
  return dir
end

describe("the environment of a policy", function()
  it("has the functions that it shall have, and no others", function()
    local count = 0
    for _ in pairs(testing.environment("scripts")) do
      count = count + 1
    end
    assert.equal(#testing.FUNCTIONS + 4, count)
    for _, name in ipairs({ "os", "io", "debug", "load", "coroutine", "xpcall", "dofile" }) do
      assert.is_nil(testing.environment("scripts")[name])
    end
    assert.is_nil(testing.environment("scripts").string.dump)
    assert.is_nil(testing.environment("scripts").math.random)
  end)

  it("is what luacheck is told", function()
    local config = { stds = {} }
    config.files = setmetatable({}, { __index = function() return {} end })
    assert(loadfile(".luacheckrc", "t", config))()
    local functions, libraries = {}, {}
    for key, value in pairs(config.stds.sandbox.read_globals) do
      if type(value) == "table" then
        libraries[key] = value.fields
      else
        functions[key] = value
      end
    end
    assert.same(testing.FUNCTIONS, functions)
    assert.same(testing.LIBRARIES, libraries)
  end)

  it("has all that it names", function()
    local environment = testing.environment("scripts")
    for library, members in pairs(testing.LIBRARIES) do
      for _, member in ipairs(members) do
        assert.is_not_nil(environment[library][member], member)
      end
    end
  end)

  it("requires files of the bundle and of the library, and nothing else", function()
    local require = testing.environment("scripts").require
    assert.is_table(require("placement"))
    assert.equal(require("placement"), require("placement"))
    assert.is_function(require("lunexec.quantity").add)
    assert.same(json, require("lunexec.json"))
    assert.is_function(require("cjson").encode)
    assert.is_nil(require("cjson").encode_sparse_array)
    for _, name in ipairs({ "lunexec.testing", "../x", "os", "lunexec.absent", "a/b", "lfs" }) do
      assert.has_error(function() require(name) end)
    end
  end)

  it("refuses finalizers", function()
    local setmetatable = testing.environment("scripts").setmetatable
    assert.has_error(function() setmetatable({}, { __gc = print }) end, "a policy cannot set __gc")
    assert.equal(1, setmetatable({}, { __index = { a = 1 } }).a)
  end)

  it("shows metatables of tables only", function()
    local getmetatable = testing.environment("scripts").getmetatable
    local metatable = {}
    assert.equal(metatable, getmetatable(setmetatable({}, metatable)))
    assert.is_nil(getmetatable(""))
  end)

  it("says so when files require each other in a circle or cannot be read", function()
    local dir = bundle({
      ["policy.lua"] = 'return require "other"',
      ["other.lua"] = 'return require "policy"',
      ["broken.lua"] = "return return",
      ["silent.lua"] = "local x = 1",
    })
    assert.matches('"policy" requires itself', select(2, pcall(testing.load, dir)))
    assert.matches("broken.lua:1: unexpected symbol", select(2, pcall(testing.load, dir, "broken")))
    assert.is_true(testing.load(dir, "silent"))
  end)

  it("is another one for each load", function()
    local dir = bundle({ ["policy.lua"] = "leak = (leak or 0) + 1 return leak" })
    assert.equal(1, testing.load(dir))
    assert.equal(1, testing.load(dir))
    assert.is_nil(_G.leak)
  end)
end)

describe("lunexec.testing.call", function()
  it("catches a policy that changes its input", function()
    local policy = { job = function(task) task.names.job = "other" end }
    assert.has_error(function() testing.call(policy, "job", testing.task()) end,
      'the policy changes its input: field "job"')
  end)

  it("catches a policy that returns a part of its input", function()
    local policy = { job = function(task) return { spec = { names = task.names } } end }
    assert.has_error(function() testing.call(policy, "job", testing.task()) end,
      "job.spec.names is a table of the policy's input: use merge.copy")
  end)

  it("catches what JSON cannot hold", function()
    local policy = { job = function() return { spec = print } end }
    assert.has_error(function() testing.call(policy, "job") end, "spec is a function")
  end)

  it("passes all results on", function()
    local policy = { admit = function(job) return false, "not " .. job.repository end }
    local admitted, reason = testing.call(policy, "admit", { repository = "this" })
    assert.is_false(admitted)
    assert.equal("not this", reason)
  end)
end)

describe("lunexec.testing.read_only", function()
  it("reads like the value itself", function()
    local view = testing.read_only({ list = json.array({ 1, { a = 2 } }), null = json.null })
    assert.equal(2, #view.list)
    assert.is_true(json.is_array(view.list))
    assert.equal(json.null, view.null)
    assert.equal(2, view.list[2].a)
    local keys = {}
    for key in pairs(view) do
      keys[key] = true
    end
    assert.same({ list = true, null = true }, keys)
  end)
end)

describe("the fixtures", function()
  it("take changes as merge patches", function()
    assert.is_nil(testing.task({ commit = json.null }).commit)
    assert.equal("codeintel", testing.task({ queue = "codeintel" }).queue)
    assert.same({ "a" }, testing.settings({ image_pull_secrets = { "a" } }).image_pull_secrets)
  end)
end)

describe("lunexec.testing.golden", function()
  local task, settings = '{"names":{"job":"j"}}', '{"namespace":"n"}'
  local policy = { job = function(t, s) return { name = t.names.job, ns = s.namespace } end }

  it("gives what is made and what should be", function()
    local dir = bundle({
      ["task.json"] = task, ["settings.json"] = settings, ["plan.json"] = '{\n  "name": "k"\n}\n',
    })
    local getenv = stub(os, "getenv")
    local made, golden = testing.golden(policy, dir)
    assert.equal('{\n  "name": "j",\n  "ns": "n"\n}\n', made)
    assert.equal('{\n  "name": "k"\n}\n', golden)
    getenv.returns("1")
    assert.equal(made, select(2, testing.golden(policy, dir)))
    getenv:revert()
    assert.same({ name = "j", ns = "n" }, testing.read_json(dir .. "/plan.json"))
  end)

  it("names the file that is no JSON", function()
    local dir = bundle({ ["task.json"] = "{\n,}" })
    assert.has_error(function() testing.read_json(dir .. "/task.json") end,
      dir .. "/task.json: line 2: expected a key")
    assert.equal("{\n,}", testing.read(dir .. "/task.json"))
    assert.is_string(jsontext.encode(testing.cases(dir)))
  end)
end)
