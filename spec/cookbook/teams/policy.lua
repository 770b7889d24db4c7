--- Whose job it is: labels with the team and its namespace, an annotation for the bill.

local names = require "lunexec.names"
local pod = require "lunexec.pod"
local policy = require "default"

--- By the organization, the second part of a repository's name.
local TEAMS = {
  acme = { team = "platform", cost_center = "4711" },
  ["acme-mobile"] = { team = "mobile", cost_center = "4712" },
}
local NOBODY = { team = "unknown", cost_center = "0000" }

local job_of = policy.job

function policy.job(task, settings)
  local job = job_of(task, settings)
  local owner = TEAMS[task.repository:match("^[^/]+/([^/]+)/")] or NOBODY
  pod.set_label(job, "example.com/team", owner.team)
  pod.set_label(job, "example.com/team-namespace", "team-" .. owner.team)
  pod.set_label(job, "example.com/repository", names.label(task.repository))
  pod.set_annotation(job, "example.com/cost-center", owner.cost_center)
  return job
end

return policy
