--- Memory by language: each indexer gets what it needs, and a job counts for its largest step.

local image = require "lunexec.image"
local quantity = require "lunexec.quantity"
local resources = require "resources"
local policy = require "default"

local MEMORY = {
  ["docker.io/sourcegraph/scip-go"] = "8Gi",
  ["docker.io/sourcegraph/scip-java"] = "24Gi",
  ["docker.io/sourcegraph/scip-typescript"] = "16Gi",
}

local function memory_of(reference)
  local parsed = image.parse(reference or "")
  return parsed and MEMORY[parsed.registry .. "/" .. parsed.repository]
end

local container = resources.container

function resources.container(entry, task, settings)
  local given = container(entry, task, settings)
  local memory = memory_of(entry.image)
  if memory then
    given.limits.memory, given.requests.memory = memory, memory
  end
  return given
end

local admit = policy.admit

function policy.admit(job, settings)
  local admission, reason = admit(job, settings)
  for _, step in ipairs(admission and job.steps or {}) do
    local memory = memory_of(step.image)
    if memory then
      admission.cost.memory = quantity.max(admission.cost.memory, memory)
    end
  end
  return admission, reason
end

return policy
