local json = require "lunexec.json"
local merge = require "lunexec.merge"
local testing = require "lunexec.testing"

describe("lunexec.merge.copy", function()
  it("copies deeply and keeps arrays and null", function()
    local original = { list = json.array(), object = {}, null = json.null, deep = { { 1 } } }
    local copy = merge.copy(original)
    assert.same(original, copy)
    assert.is_true(json.is_array(copy.list))
    assert.is_false(json.is_array(copy.object))
    assert.equal(json.null, copy.null)
    copy.deep[1][1] = 2
    assert.equal(1, original.deep[1][1])
  end)

  it("makes read-only values writable", function()
    local copy = merge.copy(testing.read_only({ a = json.array({ { b = 1 } }) }))
    copy.a[1].b = 2
    copy.a[2] = 3
    assert.same({ a = { { b = 2 }, 3 } }, copy)
    assert.is_true(json.is_array(copy.a))
  end)
end)

describe("lunexec.merge.given", function()
  it("is nil for what would be empty", function()
    assert.is_nil(merge.given(nil))
    assert.is_nil(merge.given({}))
    assert.is_nil(merge.given(json.array()))
    assert.is_nil(merge.given(json.null))
    assert.is_nil(merge.given(testing.read_only({})))
    assert.same({ a = 1 }, merge.given({ a = 1 }))
    assert.is_false(merge.given(false))
    assert.equal(0, merge.given(0))
  end)
end)

describe("lunexec.merge.json", function()
  it("does what RFC 7386 shows", function()
    local null = json.null
    for _, case in ipairs({
      { { a = "b" }, { a = "c" }, { a = "c" } },
      { { a = "b" }, { b = "c" }, { a = "b", b = "c" } },
      { { a = "b" }, { a = null }, {} },
      { { a = "b", b = "c" }, { a = null }, { b = "c" } },
      { { a = { "b" } }, { a = "c" }, { a = "c" } },
      { { a = "c" }, { a = { "b" } }, { a = { "b" } } },
      { { a = { b = "c" } }, { a = { b = "d", c = null } }, { a = { b = "d" } } },
      { { a = { { b = "c" } } }, { a = { 1 } }, { a = { 1 } } },
      { { "a", "b" }, { "c", "d" }, { "c", "d" } },
      { { a = "b" }, { "c" }, { "c" } },
      { { a = "foo" }, "bar", "bar" },
      { { e = null }, { a = 1 }, { e = null, a = 1 } },
      { { 1, 2 }, { a = "b", c = null }, { a = "b" } },
      { {}, { a = { bb = { ccc = null } } }, { a = { bb = {} } } },
    }) do
      assert.same(case[3], merge.json(case[1], case[2]))
    end
  end)

  it("leaves its arguments alone", function()
    local base, patch = testing.read_only({ a = { b = 1 } }), testing.read_only({ a = { c = 2 } })
    local merged = merge.json(base, patch)
    merged.a.d = 3
    assert.same({ a = { b = 1, c = 2, d = 3 } }, merged)
  end)
end)

describe("lunexec.merge.strategic", function()
  local function names(list)
    local result = {}
    for index, item in ipairs(list) do
      result[index] = item.name
    end
    return table.concat(result, " ")
  end

  it("merges containers, their environment and mounts item by item", function()
    local base = {
      containers = {
        {
          name = "a",
          image = "one",
          env = { { name = "X", value = "1" }, { name = "Y", value = "2" } },
          volumeMounts = { { name = "v", mountPath = "/v" } },
        },
        { name = "b", image = "two" },
      },
    }
    local merged = merge.strategic(base, {
      containers = {
        { name = "c", image = "three" },
        {
          name = "a",
          env = { { name = "Y", value = "3" } },
          volumeMounts = { { name = "w", mountPath = "/v" } },
        },
      },
    })
    assert.equal("a b c", names(merged.containers))
    assert.equal("one", merged.containers[1].image)
    assert.same({ { name = "X", value = "1" }, { name = "Y", value = "3" } },
      merged.containers[1].env)
    assert.same({ { name = "w", mountPath = "/v" } }, merged.containers[1].volumeMounts)
    assert.equal("2", base.containers[1].env[2].value)
  end)

  it("replaces other lists", function()
    local merged = merge.strategic({ args = { "a", "b" }, tolerations = { { key = "x" } } },
      { args = { "c" }, tolerations = { { key = "y" } } })
    assert.same({ args = { "c" }, tolerations = { { key = "y" } } }, merged)
  end)

  it("deletes and replaces on demand", function()
    local base = {
      volumes = { { name = "a", emptyDir = {} }, { name = "b", emptyDir = {} } },
      securityContext = { runAsUser = 1, fsGroup = 2 },
      hostNetwork = true,
    }
    local merged = merge.strategic(base, {
      volumes = { { name = "a", ["$patch"] = "delete" }, { name = "z", ["$patch"] = "delete" } },
      securityContext = { fsGroup = 3, ["$patch"] = "replace" },
      hostNetwork = json.null,
    })
    assert.same({ volumes = { { name = "b", emptyDir = {} } }, securityContext = { fsGroup = 3 } },
      merged)
  end)

  it("adds what was not there and marks lists", function()
    local patch = { metadata = { labels = { a = "b" } }, env = { { name = "X" } } }
    local merged = merge.strategic({}, patch)
    assert.same(patch, merged)
    assert.is_true(json.is_array(merged.env))
    assert.same(patch, merge.strategic({ env = "text", metadata = json.null }, patch))
  end)

  it("says which item has nothing to merge by", function()
    local nameless = { env = { { name = "X" }, { value = "1" } } }
    assert.has_error(function() merge.strategic({}, nameless) end,
      'item 2 of the patched list has no "name" to merge by')
    assert.has_error(function() merge.strategic({}, { env = { "X" } }) end,
      'item 1 of the patched list has no "name" to merge by')
  end)
end)
