--- Which failures are tried again. Only the cluster's own: what a job did itself, such as a command
--- that failed or a limit on memory, would happen again. docs/failures.md has all classes.

local M = {}

--- Classes that lie with the cluster and may not happen a second time.
local CLUSTER = {
  ["evicted"] = true, -- the node ran short of something, or is drained
  ["preempted"] = true, -- a pod of higher priority took its place
  ["node-lost"] = true, -- the node went away or was shut down
  ["node-refused"] = true, -- the node had no room after all
  ["pod-deleted"] = true, -- somebody deleted the pod
  ["api-unavailable"] = true, -- the API server did not answer
}

local ATTEMPTS = 3
local FIRST_DELAY_SECONDS = 10

--- An eviction for what the job used itself: a volume over its size, more disk than its limit.
local function is_own_doing(failure)
  local message = failure.message or ""
  return message:find("exceeds the limit", 1, true)
    or message:find("exceeds the total limit", 1, true)
end

--- Decides about a failure: nil lets it stand, a table runs the job once more from its beginning.
---@param failure lunexec.Failure
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return lunexec.Retry?
function M.decide(failure, task, settings)
  if not CLUSTER[failure.class] or is_own_doing(failure) or failure.attempt >= ATTEMPTS then
    return nil
  end
  return { delay = FIRST_DELAY_SECONDS << (failure.attempt - 1) }
end

return M
