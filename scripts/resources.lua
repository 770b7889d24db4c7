--- CPU and memory: what each container asks for and may use, and what a job counts for when the
--- executor decides whether there is room for it.

local quantity = require "lunexec.quantity"

local M = {}

local DEFAULT_MEMORY = "12Gi"

--- A setting that is a quantity; nil when it is absent or zero.
local function amount(settings, name)
  local value = settings[name]
  if value == nil then
    return nil
  end
  local parsed, message = quantity.parse(value)
  if not parsed then
    error(("setting %s: %s"):format(name, message), 0)
  end
  return (parsed.units ~= 0 or parsed.nanos ~= 0) and value or nil
end

--- The request, lowered to the limit: Kubernetes refuses a request above it.
local function within(request, limit)
  return request and limit and quantity.min(request, limit) or request
end

--- What the settings say, read once in a call: the same for every container.
local from_settings

local function read(settings)
  local cpu = amount(settings, "resource_limit_cpu")
  local memory = amount(settings, "resource_limit_memory") or DEFAULT_MEMORY
  from_settings = {
    limit_cpu = cpu,
    limit_memory = memory,
    request_cpu = within(amount(settings, "resource_request_cpu"), cpu),
    request_memory = within(amount(settings, "resource_request_memory") or DEFAULT_MEMORY, memory),
    settings = settings,
  }
end

--- What retry() wants for another attempt: the memory both requested and allowed, so that it is
--- really there.
local function again(is, resources)
  local memory = resources.memory or is.limit_memory
  local cpu = resources.cpu or is.limit_cpu
  return {
    limits = { cpu = cpu, memory = memory },
    requests = {
      cpu = within(is.request_cpu, cpu),
      memory = resources.memory or is.request_memory,
    },
  }
end

--- Limits and requests of one container. All containers of a job get the same; to give some more,
--- look at `entry.purpose`, `entry.image`, `task.repository` or `task.queue` here.
---@param entry lunexec.TaskContainer empty when asked for the cost of a job
---@param task lunexec.Task|lunexec.Job
---@param settings lunexec.Settings
---@return {limits: table, requests: table}
function M.container(entry, task, settings)
  if not from_settings or from_settings.settings ~= settings then
    read(settings)
  end
  local is = from_settings
  if task.resources then
    return again(is, task.resources)
  end
  return {
    limits = { cpu = is.limit_cpu, memory = is.limit_memory },
    requests = { cpu = is.request_cpu, memory = is.request_memory },
  }
end

--- Whether a job may run at all, and what it counts for while it does. The containers of a job run
--- one after the other, so the job costs what one of them does.
---@param job lunexec.Job
---@param settings lunexec.Settings
---@return lunexec.Admission|false admission false to refuse the job
---@return string? reason why it is refused, for its log
function M.admit(job, settings)
  local container = M.container({}, job, settings)
  return {
    cost = {
      cpu = container.requests.cpu or container.limits.cpu or "0",
      memory = container.requests.memory,
    },
  }
end

return M
