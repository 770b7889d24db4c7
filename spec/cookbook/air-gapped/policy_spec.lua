local pod = require "lunexec.pod"
local testing = require "lunexec.testing"

local function value_of(container, name)
  for _, item in ipairs(container.env or {}) do
    if item.name == name then
      return item.value
    end
  end
  return nil
end

describe("an air-gapped cluster", function()
  local policy = testing.load(testing.here())

  local function job_with(image, env_names)
    local task = testing.task()
    task.containers[3].image, task.containers[3].env_names = image, env_names
    return testing.call(policy, "job", task, testing.settings({ image_pull_secrets = { "own" } }))
  end

  it("takes every image from its registry", function()
    local job = job_with("ghcr.io/acme/tool@sha256:00ff")
    local images = {}
    for index, container in ipairs(pod.containers(job)) do
      images[index] = container.image
    end
    local helper = "registry.internal:5000/docker.io/sourcegraph/batcheshelper:insiders"
    assert.same({ helper, helper, "registry.internal:5000/ghcr.io/acme/tool@sha256:00ff", helper,
      helper }, images)
    assert.same({ { name = "own" }, { name = "registry-internal" } },
      pod.spec(job).imagePullSecrets)
  end)

  it("leaves images alone that are there already", function()
    local step = pod.find(job_with("registry.internal:5000/tool:1"), "step-kubernetes-step-0-run")
    assert.equal("registry.internal:5000/tool:1", step.image)
  end)

  it("has proxies for packages, unless a step has its own", function()
    local step = pod.find(job_with("alpine:3", { "GOPROXY" }), "step-kubernetes-step-0-run")
    assert.is_nil(value_of(step, "GOPROXY"))
    assert.equal("https://registry.internal/npm/", value_of(step, "NPM_CONFIG_REGISTRY"))
  end)

  it("is closed", function()
    assert.equal("listed",
      job_with("alpine:3").spec.template.metadata.labels["lunexec.dev/network"])
  end)
end)
