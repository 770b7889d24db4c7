local testing = require "lunexec.testing"

describe("Kueue", function()
  local policy = testing.load(testing.here())

  it("gets the job suspended, in the queue of its kind", function()
    for queue, label in pairs({ batches = "batch-changes", codeintel = "indexing" }) do
      local job = testing.call(policy, "job", testing.task({ queue = queue }), testing.settings())
      assert.equal(label, job.metadata.labels["kueue.x-k8s.io/queue-name"])
      assert.is_true(job.spec.suspend)
    end
  end)
end)
