local pod = require "lunexec.pod"
local testing = require "lunexec.testing"

describe("memory by language", function()
  local policy = testing.load(testing.here())
  local settings = testing.settings({
    resource_limit_memory = "4Gi", resource_request_memory = "4Gi",
  })

  it("is what the indexer needs", function()
    local task = testing.task({ queue = "codeintel" })
    task.containers[3].image = "sourcegraph/scip-java:latest"
    local job = testing.call(policy, "job", task, settings)
    local indexer = pod.find(job, "step-kubernetes-step-0-run").resources
    assert.same({ "24Gi", "24Gi" }, { indexer.limits.memory, indexer.requests.memory })
    assert.equal("4Gi", pod.find(job, "main").resources.limits.memory)
    assert.equal("24Gi", pod.requests(job).memory)
  end)

  it("is what the job counts for", function()
    local job = { repository = "github.com/acme/widgets", steps = {
      { key = "0", image = "alpine:3", dir = "" },
      { key = "1", image = "docker.io/sourcegraph/scip-typescript@sha256:00ff", dir = "" },
    } }
    assert.equal("16Gi", testing.call(policy, "admit", job, settings).cost.memory)
    job.steps[2] = nil
    assert.equal("4Gi", testing.call(policy, "admit", job, settings).cost.memory)
  end)
end)
