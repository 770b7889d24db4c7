local pod = require "lunexec.pod"
local testing = require "lunexec.testing"

describe("images", function()
  local policy = testing.load(testing.here())

  local function admit(image)
    local job = { repository = "r", steps = { { key = "step.0.run", image = image, dir = "" } } }
    return testing.call(policy, "admit", job, testing.settings())
  end

  it("on the list are admitted", function()
    for _, image in ipairs({ "alpine:3", "docker.io/library/golang", "ghcr.io/acme/tool:1" }) do
      assert.is_table(admit(image))
    end
  end)

  it("not on the list are refused by name", function()
    for _, image in ipairs({ "evil.example/alpine", "acme/alpine", "ghcr.io/acme", "?" }) do
      local admitted, reason = admit(image)
      assert.is_false(admitted)
      assert.is_not_nil(reason:find(image, 1, true))
    end
  end)

  it("come from the mirrors, helper images too", function()
    local job = testing.call(policy, "job", testing.task(), testing.settings())
    assert.equal("mirror.example.com/hub/library/alpine:3",
      pod.find(job, "step-kubernetes-step-0-run").image)
    assert.equal("mirror.example.com/hub/sourcegraph/batcheshelper:insiders",
      pod.find(job, "main").image)
  end)
end)
