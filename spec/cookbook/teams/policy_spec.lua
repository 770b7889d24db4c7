local testing = require "lunexec.testing"

describe("a job of a team", function()
  local policy = testing.load(testing.here())

  local function job_of(repository, settings)
    return testing.call(policy, "job", testing.task({ repository = repository }),
      testing.settings(settings))
  end

  it("says so on the Job and on its pod", function()
    local job = job_of("github.com/acme-mobile/app")
    for _, object in ipairs({ job, job.spec.template }) do
      assert.equal("mobile", object.metadata.labels["example.com/team"])
      assert.equal("team-mobile", object.metadata.labels["example.com/team-namespace"])
      assert.equal("github.com-acme-mobile-app-", object.metadata.labels["example.com/repository"]
        :sub(1, -9))
    end
    assert.equal("4712", job.spec.template.metadata.annotations["example.com/cost-center"])
  end)

  it("has somebody to bill even if nobody knows whom", function()
    assert.equal("unknown", job_of("widgets").metadata.labels["example.com/team"])
  end)

  it("keeps the settings' annotations", function()
    local job = job_of("github.com/acme/widgets", { job_pod_annotations = { a = "b" } })
    assert.same({ a = "b", ["example.com/cost-center"] = "4711" },
      job.spec.template.metadata.annotations)
  end)
end)
