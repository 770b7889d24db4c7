local policy = require "default"
local make = policy.job

--- Every Job with the team that pays for it.
function policy.job(task, settings)
  local job = make(task, settings)
  job.metadata.labels = job.metadata.labels or {}
  job.metadata.labels["example.com/cost-centre"] = "search"
  return job
end

return policy
