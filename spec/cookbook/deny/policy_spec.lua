local testing = require "lunexec.testing"

describe("denied repositories", function()
  local policy = testing.load(testing.here())

  local function admit(repository)
    local job = { repository = repository, steps = {} }
    return testing.call(policy, "admit", job, testing.settings())
  end

  it("are refused with the reason", function()
    local admitted, reason = admit("git.example.com/archive/old")
    assert.is_false(admitted)
    assert.equal("no jobs for git.example.com/archive/old: archived repositories do not change",
      reason)
  end)

  it("are no others", function()
    assert.equal("12Gi", admit("github.com/acme/widgets").cost.memory)
    assert.is_table(admit("example.com/github.com/acme/secrets"))
  end)
end)
