local testing = require "lunexec.testing"

describe("lua/check", function()
  local check = testing.load("lua/check")

  local function found(source)
    local list = {}
    for index, item in ipairs(check.globals(source)) do
      list[index] = item.line .. ": " .. item.text
    end
    return list
  end

  it("finds what is not defined, wherever it is", function()
    for source, expected in pairs({
      ["return nosuch"] = "1: undefined global nosuch",
      ["local a = 1\nlocal function f() if a then return b.c end end"] = "2: undefined global b",
      ["local t = { x = 1, [y] = 2 }"] = "1: undefined global y",
      ["x = 1"] = "1: assignment to undefined global x",
      ["local a a, z = 1, 2"] = "1: assignment to undefined global z",
      ["function f() end"] = "1: assignment to undefined global f",
      ["return os.time()"] = "1: undefined global os",
      ["return math.random()"] = "1: undefined field random of math",
      ["for i = 1, 2 do end return i"] = "1: undefined global i",
      ["do local a = 1 end return a"] = "1: undefined global a",
      ["local a = a"] = "1: undefined global a",
      ["return ('x'):rep(n)"] = "1: undefined global n",
      ["local s = [==[\n]]\n]==] return missing"] = "3: undefined global missing",
      ["-- no\n--[[ no\nno ]] return yes"] = "3: undefined global yes",
      ["local function f(...) return select(k, ...) end"] = "1: undefined global k",
      ["x.y.z = 1"] = "1: undefined global x",
      ["print 'x'"] = "1: undefined global print",
      ["function a.b:c() end"] = "1: undefined global a",
    }) do
      assert.same({ expected }, found(source), source)
    end
  end)

  it("is content with what is defined", function()
    for _, source in ipairs({
      "", "return 0x1p-4 + 1e10 .. 'a\\'b' .. \"\\\"\"",
      "local a <const>, b <close> = 1 return a, b",
      "local function f(n) return n == 0 and 1 or f(n - 1) end return f",
      "for k, v in pairs({}) do local _ = k, v end", "repeat local x = 1 until x == 1",
      "goto out ::out:: return", "local t = {} function t.a.b:c(x) return self, x end return t",
      "local a = {} a.b, a[1] = 1, #a return -a.b, not a, ~1, a:c { 1; 2 } 'x'",
      "return ...", "return string.rep, math.pi, utf8.charpattern, _VERSION",
      "if nil then elseif true then else end while false do break end;", "return 1 // 2 << 3 ~ 4",
      "return function(a, ...) return (a) end", "_ENV.x = 1 return _ENV.x",
    }) do
      assert(load(source), source)
      assert.same({}, found(source), source)
    end
  end)

  it("is content with every script of the project", function()
    local count = 0
    for _, dir in ipairs({ "scripts", "lua/lunexec", "lua/check" }) do
      for name in require("lfs").dir(dir) do
        if name:find("%.lua$") and name ~= "testing.lua" then
          assert.same({}, found(testing.read(dir .. "/" .. name)), name)
          count = count + 1
        end
      end
    end
    assert.is_true(count > 15)
  end)
end)
