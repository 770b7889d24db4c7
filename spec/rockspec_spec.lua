local testing = require "lunexec.testing"

local ROCKSPEC = "lunexec-0.1.0-1.rockspec"

local function rockspec()
  local values = {}
  assert(loadfile(ROCKSPEC, "t", values))()
  return values
end

--- Modules as they must be: each file of a folder under a prefix.
local function add_modules(modules, dir, prefix)
  for file in require("lfs").dir(dir) do
    local name = file:match("^(.+)%.lua$")
    if name then
      modules[prefix .. name] = dir .. "/" .. file
    end
  end
end

describe("the rockspec", function()
  it("has every file of the library and of the bundled scripts", function()
    local modules = {}
    add_modules(modules, "lua/lunexec", "lunexec.")
    add_modules(modules, "scripts", "lunexec.scripts.")
    assert.same(modules, rockspec().build.modules)
  end)

  it("is of the project's version", function()
    local version = testing.read("CMakeLists.txt"):match("VERSION (%d+%.%d+%.%d+) LANGUAGES")
    assert.equal(version .. "-1", rockspec().version)
    assert.equal(ROCKSPEC, rockspec().package .. "-" .. rockspec().version .. ".rockspec")
  end)

  it("makes a rock with which plain busted tests a policy", function()
    if not os.execute("command -v luarocks >/dev/null") then
      pending("no luarocks here")
      return
    end
    local tree = os.tmpname()
    os.remove(tree)
    finally(function() os.execute("rm -rf " .. tree) end)
    assert(os.execute("luarocks --lua-version 5.4 make --deps-mode=none --tree " .. tree .. " "
      .. ROCKSPEC .. " >/dev/null 2>&1"))
    for name, text in pairs({
      ["policy.lua"] = 'return require "default"\n',
      ["policy_spec.lua"] = [[
        local testing = require "lunexec.testing"
        it("makes a Job", function()
          local policy = testing.load(testing.here())
          local job = testing.call(policy, "job", testing.task(), testing.settings())
          assert.equal("Job", job.kind)
        end)
      ]],
    }) do
      local file = assert(io.open(tree .. "/" .. name, "wb"))
      file:write(text)
      file:close()
    end
    local run = assert(io.popen("cd " .. tree .. " && env -u LUNEXEC_COVERAGE LUA_PATH='" .. tree
      .. "/share/lua/5.4/?.lua;;' busted --lua=lua5.4 --output=TAP --pattern=_spec . 2>&1"))
    local output = run:read("a")
    assert(run:close(), output)
    assert.matches("ok 1 ", output)
  end)
end)
