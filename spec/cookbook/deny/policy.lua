--- Repositories whose jobs are not run here, with a reason for their authors to read.

local policy = require "default"

local DENIED = {
  { repository = "^github%.com/acme/secrets", reason = "it holds production secrets" },
  { repository = "^git%.example%.com/archive/", reason = "archived repositories do not change" },
}

local admit = policy.admit

function policy.admit(job, settings)
  for _, row in ipairs(DENIED) do
    if job.repository:find(row.repository) then
      return false, ("no jobs for %s: %s"):format(job.repository, row.reason)
    end
  end
  return admit(job, settings)
end

return policy
