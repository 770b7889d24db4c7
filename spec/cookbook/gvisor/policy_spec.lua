local pod = require "lunexec.pod"
local testing = require "lunexec.testing"

describe("gVisor", function()
  local policy = testing.load(testing.here())

  local function runtime(repository)
    local task = testing.task({ repository = repository })
    return pod.spec(testing.call(policy, "job", task, testing.settings())).runtimeClassName
  end

  it("is for repositories of others", function()
    assert.equal("gvisor", runtime("github.com/stranger/widgets"))
    assert.equal("gvisor", runtime("example.com/github.com/acme/widgets"))
  end)

  it("is not for ours", function()
    assert.is_nil(runtime("github.com/acme/widgets"))
  end)
end)
