--- Steps run under gVisor, in a RuntimeClass of that name; repositories of our own may go without.

local pod = require "lunexec.pod"
local policy = require "default"

local TRUSTED = "^github%.com/acme/"

local job_of = policy.job

function policy.job(task, settings)
  local job = job_of(task, settings)
  if not task.repository:find(TRUSTED) then
    pod.spec(job).runtimeClassName = "gvisor"
  end
  return job
end

return policy
