local policy = require "default"
local make = policy.job

--- The Job of the bundled scripts, in Kueue's hands.
function policy.job(task, settings)
  local job = make(task, settings)
  job.metadata.labels = job.metadata.labels or {}
  job.metadata.labels["kueue.x-k8s.io/queue-name"] = "lunexec"
  return job
end

return policy
