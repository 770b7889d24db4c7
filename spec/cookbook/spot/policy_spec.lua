local pod = require "lunexec.pod"
local testing = require "lunexec.testing"

describe("spot nodes", function()
  local policy = testing.load(testing.here())

  local function spec(queue, settings)
    local task = testing.task({ queue = queue })
    return pod.spec(testing.call(policy, "job", task, testing.settings(settings)))
  end

  it("take batch changes", function()
    assert.equal("spot", spec("batches").nodeSelector["example.com/capacity"])
    assert.equal("example.com/spot", spec("batches").tolerations[1].key)
  end)

  it("do not take indexing", function()
    assert.equal("on-demand", spec("codeintel").nodeSelector["example.com/capacity"])
    assert.is_nil(spec("codeintel").tolerations)
  end)

  it("are tolerated beside what the settings say", function()
    local settings = { tolerations = { { key = "build", operator = "Exists" } } }
    assert.equal(2, #spec("batches", settings).tolerations)
  end)
end)
