--- A GPU for the steps whose images need one, and the toleration that GPU nodes ask for.

local image = require "lunexec.image"
local pod = require "lunexec.pod"
local policy = require "default"

local NEED_GPU = { "nvidia/cuda", "registry.example.com/ml/*" }
local RESOURCE = "nvidia.com/gpu"

local job_of = policy.job

function policy.job(task, settings)
  local job = job_of(task, settings)
  local needed = false
  for _, step in ipairs(pod.with_purpose(job, task, "step")) do
    if image.allowed(step.image, NEED_GPU) then
      step.resources.limits[RESOURCE] = "1"
      needed = true
    end
  end
  if needed then
    pod.add_toleration(job, { key = RESOURCE, operator = "Exists", effect = "NoSchedule" })
  end
  return job
end

return policy
