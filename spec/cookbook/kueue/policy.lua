--- Kueue decides when a job may start: its Job is made suspended, with the label of a queue.

local pod = require "lunexec.pod"
local policy = require "default"

local QUEUES = { batches = "batch-changes", codeintel = "indexing" }

local job_of = policy.job

function policy.job(task, settings)
  local job = job_of(task, settings)
  pod.set_label(job, "kueue.x-k8s.io/queue-name", QUEUES[task.queue])
  job.spec.suspend = true
  return job
end

return policy
