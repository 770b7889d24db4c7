--- Only images from an allow-list, and all of them pulled from mirrors.

local image = require "lunexec.image"
local pod = require "lunexec.pod"
local policy = require "default"

--- As the steps name them, before the mirrors are put in.
local ALLOWED = { "alpine", "golang", "node", "sourcegraph/*", "ghcr.io/acme/*" }

local MIRRORS = {
  ["docker.io"] = "mirror.example.com/hub",
  ["ghcr.io/acme"] = "mirror.example.com/acme",
}

local admit, job_of = policy.admit, policy.job

function policy.admit(job, settings)
  for _, step in ipairs(job.steps) do
    if not image.allowed(step.image, ALLOWED) then
      return false, ("step %s uses image %s, which is not on the list"):format(step.key, step.image)
    end
  end
  return admit(job, settings)
end

function policy.job(task, settings)
  local job = job_of(task, settings)
  for _, container in ipairs(pod.containers(job)) do
    container.image = image.mirror(container.image, MIRRORS)
  end
  return job
end

return policy
