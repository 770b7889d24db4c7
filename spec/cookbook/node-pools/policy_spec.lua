local testing = require "lunexec.testing"

describe("node pools", function()
  local policy = testing.load(testing.here())

  local function selector(repository, settings)
    local task = testing.task({ repository = repository })
    local job = testing.call(policy, "job", task, testing.settings(settings))
    return job.spec.template.spec.nodeSelector
  end

  it("follow the repository's size", function()
    assert.same({ ["example.com/pool"] = "xlarge" }, selector("github.com/acme/monorepo"))
    assert.same({ ["example.com/pool"] = "large" }, selector("github.com/acme/android-app"))
    assert.same({ ["example.com/pool"] = "small" }, selector("github.com/acme/monorepo-docs"))
  end)

  it("come beside the settings' node selector", function()
    assert.same({ zone = "a", ["example.com/pool"] = "small" },
      selector("github.com/acme/widgets", { node_selector = { zone = "a" } }))
  end)
end)
