--- Which failures are tried again. Only the cluster's own: what a job did itself, such as a command
--- that failed, a limit on memory or a deadline, would happen again.

local M = {}

--- Reasons that lie with the cluster, as `failure.reason` names them.
local CLUSTER = {
  Evicted = true, -- the node ran short of something
  NodeLost = true, -- the node went away
  NodeShutdown = true, -- the node was shut down
  Preempted = true, -- a pod of higher priority took its place
}

local ATTEMPTS = 3
local FIRST_DELAY_SECONDS = 10

--- Decides about a failure: nil lets it stand, a table runs the task once more.
---@param failure lunexec.Failure
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return lunexec.Retry?
function M.decide(failure, task, settings)
  if not CLUSTER[failure.reason] or failure.attempt >= ATTEMPTS then
    return nil
  end
  return { delay = FIRST_DELAY_SECONDS << (failure.attempt - 1) }
end

return M
