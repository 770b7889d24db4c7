--- Batch changes run on spot nodes; indexing, which takes longer and is dearer to repeat, does not.

local pod = require "lunexec.pod"
local policy = require "default"

local SPOT = { key = "example.com/spot", operator = "Equal", value = "true", effect = "NoSchedule" }

local job_of = policy.job

function policy.job(task, settings)
  local job = job_of(task, settings)
  local spec = pod.spec(job)
  spec.nodeSelector = spec.nodeSelector or {}
  if task.queue == "batches" then
    pod.add_toleration(job, SPOT)
    spec.nodeSelector["example.com/capacity"] = "spot"
  else
    spec.nodeSelector["example.com/capacity"] = "on-demand"
  end
  return job
end

return policy
