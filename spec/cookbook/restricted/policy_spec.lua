local pod = require "lunexec.pod"
local testing = require "lunexec.testing"

describe("Pod Security restricted", function()
  local policy = testing.load(testing.here())

  local function job_of(repository)
    local task = testing.task({ repository = repository })
    return testing.call(policy, "job", task, testing.settings())
  end

  it("is what jobs get", function()
    local job = job_of("github.com/acme/widgets")
    assert.is_true(pod.spec(job).securityContext.runAsNonRoot)
    assert.equal("RuntimeDefault", pod.spec(job).securityContext.seccompProfile.type)
    for _, container in ipairs(pod.containers(job)) do
      assert.same({ "ALL" }, container.securityContext.capabilities.drop)
      assert.is_false(container.securityContext.allowPrivilegeEscalation)
    end
  end)

  it("is not for those that need root", function()
    assert.is_nil(pod.spec(job_of("github.com/acme/packages")).securityContext.runAsNonRoot)
  end)
end)
