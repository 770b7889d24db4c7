local pod = require "lunexec.pod"
local testing = require "lunexec.testing"

describe("GPUs", function()
  local policy = testing.load(testing.here())

  local function job_with(image)
    local task = testing.task()
    task.containers[3].image = image
    return testing.call(policy, "job", task, testing.settings())
  end

  it("are for the steps that need one", function()
    local job = job_with("nvidia/cuda:12.2.0-base-ubuntu22.04")
    assert.equal("nvidia.com/gpu", pod.spec(job).tolerations[1].key)
    assert.equal(1, #pod.spec(job).tolerations)
    local step = pod.find(job, "step-kubernetes-step-0-run")
    assert.equal("1", step.resources.limits["nvidia.com/gpu"])
    assert.equal("1", pod.effective_request(job, "nvidia.com/gpu"))
  end)

  it("are for nobody else", function()
    local job = job_with("alpine:3")
    assert.is_nil(pod.spec(job).tolerations)
    assert.equal("0", pod.effective_request(job, "nvidia.com/gpu"))
  end)
end)
