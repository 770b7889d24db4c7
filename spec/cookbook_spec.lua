local testing = require "lunexec.testing"

local DIR, PAGE = "spec/cookbook", "docs/cookbook.md"

local function recipes()
  local names = {}
  for name in require("lfs").dir(DIR) do
    if not name:find("^%.") then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

--- What the page shows of a recipe: the code below the link to its folder.
local function shown(page, name)
  local link = ("](../%s/%s)"):format(DIR, name)
  local _, at = page:find(link, 1, true)
  return at and page:match("\n```lua\n(.-)```\n", at)
end

describe("the cookbook", function()
  local page = testing.read(PAGE)

  it("shows every recipe as it is tested", function()
    local count = 0
    for _, name in ipairs(recipes()) do
      assert.equal(testing.read(DIR .. "/" .. name .. "/policy.lua"), shown(page, name), name)
      count = count + 1
    end
    assert.is_true(count >= 12)
  end)

  it("has no other code", function()
    local _, blocks = page:gsub("\n```lua\n", "")
    assert.equal(#recipes(), blocks)
  end)

  for _, name in ipairs(recipes()) do
    it("has a spec for " .. name, function()
      assert.matches("describe%(", testing.read(DIR .. "/" .. name .. "/policy_spec.lua"))
    end)
  end
end)
